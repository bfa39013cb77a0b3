"""Every example is trained, created, asked and deleted; the notebook runs from top to bottom."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import heavy
from tests.docs.pages import ROOT

from mlserve.client import Client
from mlserve.descriptor import parse, read_file

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/service.json"))
IMAGES = [path for path in EXAMPLES if "containers" in read_file(path / "service.json")]
"""These need a Docker engine: see test_image_example."""
BUCKETS = [path for path in EXAMPLES if str(read_file(path / "service.json").get("model_path")).startswith("s3:")]
"""These need an S3 service: see test_s3_example."""
ANSWERS = {
    "huggingface": {"label": ["glad", "sad", "sad"]},
    "image-pipeline": {"digit": [2]},
    "iris": {"species": ["setosa", "versicolor", "virginica"]},
    "lightgbm": {"prediction": [196.55164063627143, 82.93274076954519]},
    "own-server": {"progression": 205.8},
    "python-processor": {"digit": [1, 5], "sure": [True, True]},
    "pytorch": {"digit": [2, 6]},
    "sklearn-pipeline": {"label": ["class_0", "class_1", "class_2"]},
    "text-pipeline": {"topic": ["flowers", "wine", "houses"]},
    "triton": {
        "model_name": "wines",
        "outputs": [
            {"name": "grower", "datatype": "BYTES", "shape": [3, 1], "data": ["class_0", "class_1", "class_2"]}
        ],
    },
    "xgboost": {"label": [0, 1, 0]},
}
"""What request.json is answered with, or a part of it."""
MODELS = (".onnx", ".joblib", ".ubj", ".npz", ".pt2", ".txt", ".safetensors")
LIBRARIES = {
    "huggingface": heavy.TRANSFORMERS,
    "lightgbm": ("lightgbm", "scikit-learn", "pandas"),
    "pytorch": (*heavy.PYTORCH, "scikit-learn"),
}
"""What train.py needs that the tests' own environment hasn't."""


def names(example: Path) -> str:
    return example.name


def test_there_are_examples() -> None:
    assert {"iris", "own-server", "python-processor", "sklearn-pipeline", "xgboost"} <= set(map(names, EXAMPLES))


@pytest.mark.parametrize("example", EXAMPLES, ids=names)
def test_an_example_has_no_warning_and_small_files(example: Path) -> None:
    assert parse(read_file(example / "service.json")).warnings == []
    assert {path.name for path in example.iterdir()} >= {"service.json", "request.json", "train.py"}
    assert [path for path in example.rglob("*") if path.is_file() and path.stat().st_size > 200_000] == []


@pytest.mark.parametrize("example", [path for path in EXAMPLES if path not in IMAGES + BUCKETS], ids=names)
def test_an_example_answers_its_request(example: Path, client: Client) -> None:
    service = client.services.create(example / "service.json").wait(timeout=120)
    answer = service.predict(example / "request.json")
    assert answer | ANSWERS[example.name] == answer
    service.delete()


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=names)
def test_an_example_can_be_trained_again(example: Path, tmp_path: Path) -> None:
    again = tmp_path / example.name
    shutil.copytree(example, again, ignore=shutil.ignore_patterns("__pycache__"))
    model = next(path for path in sorted(again.rglob("*")) if path.suffix in MODELS or path.name == "model.json")
    model.unlink()
    needs = LIBRARIES.get(example.name)
    python = heavy.python_with(*needs) if needs else sys.executable
    subprocess.run([python, "train.py"], cwd=again, check=True, capture_output=True)
    assert model.stat().st_size > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("notebook", sorted((ROOT / "examples").rglob("*.ipynb")), ids=names)
def test_a_notebook_runs_from_top_to_bottom(notebook: Path, home: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    page = nbformat.read(notebook, as_version=4)
    NotebookClient(page, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = json.dumps([cell.outputs for cell in page.cells if cell.cell_type == "code"])
    assert "text/html" in shown, "services and tables show themselves as tables"
    assert '"output_type": "error"' not in shown
