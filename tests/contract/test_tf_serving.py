"""TensorFlow Serving's REST form: its published examples, bytes, versions, classify and regress."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runtime_kit import Running, processor, serving

MODEL = """
import numpy as np
from mlserve.runtime.processors.base import Metadata, Tensor

class Model:
    def metadata(self):
        return Metadata(
            (Tensor("tag", "BYTES", (-1,)), Tensor("signal", "FP32", (-1, -1)), Tensor("sensor", "FP32", (-1, 2, 2))),
            (Tensor("scores", "FP32", (-1, 3), labels=("low", "mid", "high")), Tensor("total", "FP64", (-1, 1)),
             Tensor("image_bytes", "BYTES", (-1,))),
            "python", trusted=False,
        )
    def predict(self, inputs):
        signal = inputs["signal"]
        tags = [tag if isinstance(tag, bytes) else tag.encode() for tag in inputs["tag"]]
        return {
            "scores": signal[:, :3], "total": signal.astype("f8").sum(axis=1, keepdims=True),
            "image_bytes": np.array([tag + b"!" for tag in tags], dtype=object),
        }
"""
ROWS = [
    {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
    {"tag": {"b64": base64.b64encode(b"\xff\x00").decode()}, "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
]
ONE = """
class Model:
    def metadata(self):
        return {"inputs": [{"name": "x", "type": "float", "shape": [-1]}],
                "outputs": [{"name": "y", "type": "float", "shape": [-1]}]}
    def predict(self, inputs):
        return {"y": inputs["x"] * 0.5 + 2}
"""
BASE = "/v1/models/m"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("tf")
    with serving(home, processor="python", processor_path=processor(home, MODEL), service="m", version=123) as running:
        yield running


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("half")
    with serving(home, processor="python", processor_path=processor(home, ONE), service="half_plus_two") as running:
        yield running


def test_the_published_example_is_answered_as_published(half: Running) -> None:
    answer = half.post("/v1/models/half_plus_two:predict", {"instances": [1.0, 2.0, 5.0]})
    assert answer.json == {"predictions": [2.5, 3.0, 4.5]}
    column = half.post("/v1/models/half_plus_two:predict", {"inputs": [1.0, 2.0, 5.0], "signature_name": ""})
    assert column.json == {"outputs": [2.5, 3.0, 4.5]}
    answer = half.post("/v1/models/half_plus_two:regress", {"examples": [{"x": 1.0}, {"x": 2.0}]})
    assert answer.json["results"] == answer.json["result"] == [2.5, 3.0]


def test_rows_are_answered_as_rows_and_columns_as_columns(instance: Running) -> None:
    rows = instance.post(f"{BASE}:predict", {"instances": ROWS}).json["predictions"]
    assert [row["total"] for row in rows] == [[15.0], [15.0]]
    assert rows[1]["scores"] == [3.0, 4.0, 1.0]
    assert [base64.b64decode(row["image_bytes"]["b64"]) for row in rows] == [b"foo!", b"\xff\x00!"]
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    outputs = instance.post(f"{BASE}/versions/123:predict", {"inputs": columns}).json["outputs"]
    assert outputs["total"] == [[15.0], [15.0]]
    assert outputs["image_bytes"][0] == {"b64": base64.b64encode(b"foo!").decode()}


def test_long_rows_are_read_as_short_ones_are(instance: Running) -> None:
    long = [{**row, "signal": [float(n) for n in range(700)]} for row in ROWS]
    rows = instance.post(f"{BASE}:predict", {"instances": long}).json["predictions"]
    assert rows[1]["total"] == [sum(range(700))]


def test_classes_come_with_labels_and_scores(instance: Running) -> None:
    examples = [{"tag": "a", "signal": [0.1, 0.7, 0.2]}, {"tag": "b", "signal": [1, 0, 0]}]
    answer = instance.post(f"{BASE}:classify", {"context": {"sensor": [[0, 0], [0, 0]]}, "examples": examples}).json
    assert answer["result"] == answer["results"]
    assert answer["result"][0] == [["low", 0.1], ["mid", 0.7], ["high", 0.2]]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("predict", {"instances": [1], "inputs": [1]}, "either"),
        ("predict", {"instances": [ROWS[0], {}]}, "instance 1"),
        ("predict", {"instances": [[1, 2]]}, "3 inputs: name them"),
        ("predict", {"instances": ROWS, "signature_name": "other"}, "serving_default"),
        ("classify", {"examples": {}}, '"examples"'),
        ("classify", {"examples": ROWS, "context": []}, '"context"'),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(instance: Running, path: str, body: Any, said: str) -> None:
    answer = instance.post(f"{BASE}:{path}", body)
    assert answer.status == 400
    assert said in answer.json["error"]


def test_a_model_without_scores_does_not_classify(half: Running) -> None:
    answer = half.post("/v1/models/half_plus_two:classify", {"examples": [{"x": 1.0}]})
    assert (answer.status, ":predict" in answer.json["error"]) == (400, True)


def test_versions_labels_and_other_models_are_told_apart(instance: Running) -> None:
    state = instance.get(BASE).json["model_version_status"][0]
    assert (state["version"], state["state"], state["status"]["error_code"]) == ("123", "AVAILABLE", "OK")
    assert instance.get(f"{BASE}/versions/123").json["model_version_status"] == [state]
    for path, said in (
        ("/versions/4", "no version 4"),
        ("/labels/new", "no label new"),
        ("/versions/4/metadata", "no version"),
    ):
        answer = instance.get(BASE + path)
        assert (answer.status, said in answer.json["error"]) == (404, True)
    assert instance.post(f"{BASE}/versions/4:predict", {}).status == 404
    assert "no model" in instance.post("/v1/models/other:predict", {}).json["error"]


def test_metadata_is_a_signature_of_tensorflow(instance: Running) -> None:
    told = instance.get(f"{BASE}/metadata").json
    assert told["model_spec"] == {"name": "m", "signature_name": "", "version": "123"}
    signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["signal"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in signature["inputs"]["sensor"]["tensor_shape"]["dim"]] == ["-1", "2", "2"]
    assert json.dumps(signature["outputs"]["image_bytes"]).count("DT_STRING") == 1
