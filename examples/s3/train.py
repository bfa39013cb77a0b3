"""Train a model that foresees the course of diabetes within a year from ten measurements; ONNX keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent


def main() -> None:
    patients = load_diabetes(scaled=False)
    model = make_pipeline(StandardScaler(), RidgeCV())
    print(f"R², 5-fold: {cross_val_score(model, patients.data, patients.target, cv=5).mean():.3f}")
    exported = to_onnx(
        model.fit(patients.data, patients.target),
        name="progression",
        initial_types=[("measurements", FloatTensorType([None, 10]))],
        final_types=[("progression", FloatTensorType([None, 1]))],
        target_opset=17,
    )
    exported.ir_version = 8
    onnx.checker.check_model(exported)
    (HERE / "progression.onnx").write_bytes(exported.SerializeToString(deterministic=True))
    asked = {"measurements": patients.data[[0, 1, 2]].round(4).tolist()}
    (HERE / "request.json").write_text(json.dumps(asked) + "\n")


if __name__ == "__main__":
    main()
