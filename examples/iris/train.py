"""Train the iris model: four named measurements in, the species and its probabilities out, saved as iris.onnx."""

from __future__ import annotations

from pathlib import Path

import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def main() -> None:
    iris = load_iris()
    species = iris.target_names[iris.target].astype(str)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    print(f"accuracy, 5-fold: {cross_val_score(pipeline, iris.data, species, cv=5).mean():.3f}")
    model = to_onnx(
        pipeline.fit(iris.data, species),
        name="iris",
        # One column each, so that a request reads {"sepal_length": 5.1, ...}.
        initial_types=[(feature, FloatTensorType([None, 1])) for feature in FEATURES],
        final_types=[("species", StringTensorType([None])), ("probability", FloatTensorType([None, 3]))],
        options={"zipmap": False},
        target_opset=17,
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    Path(__file__).with_name("iris.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
