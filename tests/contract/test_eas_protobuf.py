"""EAS's protobuf requests, made and read by EAS's own client library in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.runtime_kit import IRIS, ROW, Running, serving
from uv import find_uv_bin

from mlserve.errors import InvalidInput
from mlserve.runtime import protobuf
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols import eas_protobuf
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.eas_protobuf import EasProtobuf
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.signature import Signature

MESSAGES = protobuf.load(Path(eas_protobuf.__file__).with_name("eas.proto")).messages
X, Y = Tensor("x", "FP32", (-1, 2)), Tensor("y", "INT64", (-1,), optional=True)
MODEL = Model("m", 1, Signature(Metadata((X, Y), (X, Y), facts={"signature": "serving_default"})))
KINDS = (
    ("BOOL", 10, [True, False]), ("UINT8", 4, [0, 255]), ("INT8", 6, [-128, 127]), ("INT16", 5, [-(2**15), 2**15 - 1]),
    ("UINT16", 17, [0, 65535]), ("INT32", 3, [-(2**31), 2**31 - 1]), ("INT64", 9, [-(2**63), 2**63 - 1]),
    ("FP32", 1, [0.5, -1.5]), ("FP64", 2, [1e300, 0.1]), ("BYTES", 7, ["a", b"\xff"]),
)  # fmt: skip
FIELDS = {
    1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 5: "int_val", 6: "int_val", 7: "string_val",
    9: "int64_val", 10: "bool_val", 17: "int_val",
}  # fmt: skip


def filled(into: Any, dtype: int, shape: list[int], values: list[Any]) -> None:
    into.dtype = dtype
    into.array_shape.dim.extend(shape)
    getattr(into, FIELDS[dtype]).extend(value.encode() if isinstance(value, str) else value for value in values)


def tensorflow(
    dtype: int = 1, shape: tuple[int, ...] = (1, 2), values: tuple[Any, ...] = (1.0, 2.0), **more: Any
) -> bytes:
    request = MESSAGES["TensorflowRequest"](**more)
    filled(request.inputs["x"], dtype, list(shape), list(values))
    return bytes(request.SerializeToString())


@pytest.mark.parametrize(("datatype", "dtype", "values"), KINDS)
def test_every_type_comes_and_goes(datatype: str, dtype: int, values: list[Any]) -> None:
    tensor = Tensor("x", datatype, (-1,))
    format_ = EasProtobuf(Model("m", 1, Signature(Metadata((tensor,), (tensor,)))))
    call = format_.call(tensorflow(dtype, (2,), tuple(values)))
    assert call is not None
    assert call.inputs["x"].tolist() == values
    response = MESSAGES["TensorflowResponse"].FromString(call.encode(call.inputs)[0])
    assert (
        response.outputs["x"]
        == MESSAGES["TensorflowRequest"].FromString(tensorflow(dtype, (2,), tuple(values))).inputs["x"]
    )


def test_types_without_a_field_go_in_one_that_holds_them() -> None:
    call = EasProtobuf(MODEL).call(tensorflow())
    assert call is not None
    outputs = {
        "h": np.array([0.5], np.float16), "u": np.array([2**32 - 1], np.uint32), "l": np.array([2**63 - 1], np.uint64),
    }  # fmt: skip
    found = MESSAGES["TensorflowResponse"].FromString(call.encode(outputs)[0]).outputs
    assert [found[name].dtype for name in "hul"] == [1, 9, 9]
    with pytest.raises(InvalidInput, match="beyond 2\\^63"):
        call.encode({"l": np.array([2**63], np.uint64)})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (tensorflow(2), "came FP64"), (tensorflow(1, (2,)), 'input "x" wants FP32'),
        (tensorflow(1, (1, 3)), "2 values in float_val for the shape"), (tensorflow(1, (-1, 2)), "no list of sizes"),
        (tensorflow(signature_name="other"), 'no signature "other" here'),
        (tensorflow(output_filter=["z"]), 'no output "z" (outputs: x, y)'), (b"\x12\x03abc", "no PredictRequest"),
        (b"", "no PredictRequest"), (b"\xff", "no PredictRequest"), (b"\x0a\x00", "no PredictRequest"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        EasProtobuf(MODEL).call(body)
    assert words in str(caught.value)


def test_outputs_are_filtered_by_name_and_number() -> None:
    outputs = {"x": np.zeros((1, 2), np.float32), "y": np.array([7])}
    call = EasProtobuf(MODEL).call(tensorflow(output_filter=["y"]))
    assert call is not None
    assert set(MESSAGES["TensorflowResponse"].FromString(call.encode(outputs)[0]).outputs) == {"y"}
    request = MESSAGES["TorchRequest"](output_filter=[1])
    filled(request.inputs.add(), 1, [1, 2], [1.0, 2.0])
    torch = EasProtobuf(MODEL).call(request.SerializeToString())
    assert torch is not None
    first, second = MESSAGES["TorchResponse"].FromString(torch.encode(outputs)[0]).outputs
    assert (first.dtype, list(second.int64_val)) == (0, [7])


def test_a_raw_tensor_that_begins_like_one_is_still_a_tensor() -> None:
    model = Model("m", 1, Signature(Metadata((Tensor("x", "UINT8", (-1, 4)),), ())))
    for body in (b"\x12\x02\x0a\x00", b"\x0a\x02ab", b"\x1a\x02ab\x10\x01\x10\x01"):
        request = Request(None, "POST", b"/", {b"content-type": b"application/octet-stream"}, body)
        call = Eval(model).decode(request)
        assert call.prepare is not None
        call.prepare()
        assert call.inputs["x"].ravel().tolist() == list(body)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    for sure in (True, False):
        try:
            EasProtobuf(MODEL).call(body, sure=sure)
        except InvalidInput:
            continue


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS)) as instance:
        yield instance


ASK = """
import json, sys
import urllib.request
from eas_prediction import TFRequest, TorchRequest
row, port, found = json.loads(sys.argv[1]), sys.argv[2], {}
request = TFRequest("serving_default")
for name, value in row.items():
    request.add_feed(name, [2, 1], TFRequest.DT_FLOAT, [value, value])
request.add_fetch("probability")
request.add_fetch("species")
def post(data):
    asked = urllib.request.Request("http://127.0.0.1:%s/" % port, data, {"content-type": "application/octet-stream"})
    return urllib.request.urlopen(asked).read()
answer = request.parse_response(post(request.to_string()))
found["tf"] = [list(answer.get_tensor_shape("probability")), list(answer.get_values("probability")),
               [value.decode() for value in answer.get_values("species")]]
torch = TorchRequest()
for index, value in enumerate(row.values()):
    torch.add_feed(index, [1, 1], TorchRequest.DT_FLOAT, [value])
torch.add_fetch(1)
answer = torch.parse_response(post(torch.to_string()))
found["torch"] = [list(answer.get_tensor_shape(1)), list(answer.get_values(1))]
print(json.dumps(found))
"""


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_eass_own_client_is_understood_and_understands(iris: Running, tmp_path: Path) -> None:
    python = tmp_path / "eas" / "bin" / "python"
    venv.create(tmp_path / "eas", with_pip=False)  # its protobuf is older than ours: not the runtime's environment
    wanted = ["eas-prediction==0.36", "numpy", "setuptools<81", "six"]
    subprocess.run([find_uv_bin(), "pip", "install", "-q", "-p", str(python), *wanted], check=True, capture_output=True)
    done = subprocess.run(
        [str(python), "-c", ASK, json.dumps(ROW), str(iris.port)], capture_output=True, text=True, check=False,
        env={"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    shape, values, species = found["tf"]
    assert (shape, species) == ([2, 3], ["setosa", "setosa"])
    wanted = iris.post("/", ROW).json["probability"]
    assert values[:3] == pytest.approx(wanted, abs=1e-6)
    assert found["torch"][0] == [1, 3]
    assert found["torch"][1] == pytest.approx(wanted, abs=1e-6)
