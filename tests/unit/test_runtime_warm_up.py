"""Warm-up data in every form it may have, and what is not one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runtime_kit import ROW

from mlserve.runtime import protobuf
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols import eas_protobuf
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.recorded import recorded
from mlserve.runtime.signature import Signature
from mlserve.runtime.warm_up import warm_up


class Noting:
    """Keeps what it was asked."""

    def __init__(self, *inputs: Tensor) -> None:
        self.asked: list[dict[str, Any]] = []
        self._metadata = Metadata(inputs, (Tensor("y", "FP32", (-1,)),), rows=True)

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """Nothing to load."""

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Any) -> Any:
        self.asked.append({name: array.tolist() for name, array in inputs.items()})
        return {"y": np.zeros(1, np.float32)}


def warmed(home: Path, name: str, content: str | bytes, *inputs: Tensor) -> list[dict[str, Any]]:
    file = home / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    noting = Noting(*(inputs or (Tensor("x", "FP32", (-1, 2)),)))
    warm_up(noting, Model("m", 1, Signature(noting.metadata())), str(file))
    return noting.asked


V2 = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
X12 = {"x": [[1.0, 2.0]]}
RAW = np.array([[1, 2]], "<f4").tobytes()


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "one request a line": ("warm.txt", f"{json.dumps({'x': [1, 2]})}\n\n{json.dumps(V2)}\n"),
        "one JSON file": ("warm.json", json.dumps({"instances": [{"x": [1, 2]}, {"x": [1, 2]}]})),
        "plain bytes": ("warm.bin", RAW),
        "a table": ("warm.csv", "a,b\n1,2\n"),
        "a recorded body": ("warm.jsonl", json.dumps({"path": "/eval", "body": {"x": [[1, 2]]}})),
        "a recorded body in base64": (
            "warm.jsonl",
            json.dumps(
                {
                    "path": "/v2/models/m/infer",
                    "headers": {"Inference-Header-Content-Length": "0"},
                    "body": {"base64": base64.b64encode(RAW).decode()},
                }
            ),
        ),
        "a captured pair": (
            "warm.jsonl",
            json.dumps({"at": "…", "id": "1", "path": "/eval", "content_type": "application/json", "request": V2}),
        ),
        "a captured large tensor": (
            "warm.jsonl",
            json.dumps(
                {
                    "path": "/",
                    "request": {
                        "inputs": [
                            {
                                "name": "x",
                                "datatype": "FP32",
                                "shape": [1, 2],
                                "base64": base64.b64encode(RAW).decode(),
                            }
                        ]
                    },
                }
            ),
        ),
    }.values(),
)
def test_requests_are_read_from(tmp_path: Path, name: str, content: str | bytes) -> None:
    asked = warmed(tmp_path, name, content)
    assert asked
    assert all(one == X12 or one == {"x": [[1.0, 2.0]] * 2} for one in asked)


def test_a_captured_request_whose_values_are_hidden_is_left_out(tmp_path: Path) -> None:
    hidden = {"path": "/", "request": {"inputs": [{**V2["inputs"][0], "data": "***"}]}}
    seen = {"path": "/", "request": V2}
    assert warmed(tmp_path, "warm.jsonl", f"{json.dumps(hidden)}\n{json.dumps(seen)}") == [X12]
    with pytest.raises(StartFailure, match="no request in"):
        warmed(tmp_path, "warm.jsonl", json.dumps(hidden))


def test_a_recorded_request_that_is_wrong_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(StartFailure, match=r"warm.jsonl:2 was answered 400.*FP32"):
        warmed(tmp_path, "warm.jsonl", json.dumps(V2) + '\n{"path": "/eval", "body": {"x": "words"}}')


def test_base64_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "warm.jsonl").write_text(json.dumps({"path": "/", "body": {"base64": "?"}}))
    with pytest.raises(StartFailure, match="base64"):
        list(recorded(tmp_path / "warm.jsonl"))


def test_a_folder_holds_several_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROW))
    (tmp_path / "b.txt").write_text(f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n")
    (tmp_path / ".hidden").write_text("no")
    assert [one.name for one in recorded(tmp_path)] == ["a.json", "b.txt:1", "b.txt:2"]


def test_a_request_of_eas_is_read_from_its_bytes(tmp_path: Path) -> None:
    request = protobuf.load(Path(eas_protobuf.__file__).with_name("eas.proto")).messages["TensorflowRequest"]()
    request.inputs["x"].dtype = 1
    request.inputs["x"].array_shape.dim.extend([1, 2])
    request.inputs["x"].float_val.extend([1.0, 2.0])
    assert warmed(tmp_path, "warm_up.bin", request.SerializeToString()) == [X12]
