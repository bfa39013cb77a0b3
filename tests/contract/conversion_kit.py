"""Conversions as a hub runs them: a job in a folder, and both models side by side."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from sklearn.datasets import load_diabetes, load_iris
from tests import heavy

from mlserve.conversion.job import Job, convert

IRIS, KIND = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)


def converted(processor: str, path: Path, **more: Any) -> tuple[dict[str, Any], Path]:
    target = path.parent / "converted.onnx"
    return convert(Job(processor, str(path), str(target), **more)), target


def elsewhere(python: Path, processor: str, model: Path, folder: Path) -> dict[str, Any]:
    """The record of a conversion in a process of its own, as the hub starts it."""
    folder.mkdir(exist_ok=True)
    job = {"processor": processor, "model_path": str(model), "target": str(folder / "model.onnx"), "seconds": 200}
    (folder / "job.json").write_text(json.dumps(job))
    command = [python, "-m", "mlserve.conversion", folder / "job.json", folder / "result.json"]
    done = subprocess.run(
        command, env=heavy.environment_of(python), capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record
