"""Train a model that tells three wine growers apart, and put it into Triton's model repository as wines.onnx."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
ASKED = [0, 60, 150]


def main() -> None:
    wine = load_wine()
    growers = wine.target_names[wine.target].astype(str)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    print(f"accuracy, 5-fold: {cross_val_score(pipeline, wine.data, growers, cv=5).mean():.3f}")
    model = to_onnx(
        pipeline.fit(wine.data, growers),
        name="wines",
        initial_types=[("measurements", FloatTensorType([None, 13]))],
        final_types=[("grower", StringTensorType([None])), ("probability", FloatTensorType([None, 3]))],
        options={"zipmap": False},
        target_opset=17,
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    (HERE / "models" / "wines" / "1" / "wines.onnx").write_bytes(model.SerializeToString(deterministic=True))
    rows = wine.data[ASKED].round(2)
    tensor = {"name": "measurements", "datatype": "FP32", "shape": list(rows.shape), "data": rows.tolist()}
    request = {"inputs": [tensor], "outputs": [{"name": "grower"}]}
    (HERE / "request.json").write_text(json.dumps(request) + "\n")


if __name__ == "__main__":
    main()
