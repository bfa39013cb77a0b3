"""One suite of values over every way to send them: what is no number, does not fit 53 bits, or is not there at all."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.runtime_kit import Running, processor, serving

ECHO = """
from mlserve.runtime.processors.base import Metadata, Tensor

WORDS = ("FP16", "FP32", "FP64", "INT8", "INT64", "UINT8", "UINT64", "BOOL", "BYTES")

class Echo:
    def metadata(self):
        listed = tuple(Tensor(word.lower(), word, (-1, 2), optional=True) for word in WORDS)
        return Metadata(listed, listed, "echo", rows=False, trusted=False)
    def predict(self, inputs):
        return inputs
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("echo")
    with serving(home, processor="python", processor_path=processor(home, ECHO), service="m") as instance:
        yield instance


def by_eval(instance: Running, name: str, text: str) -> Any:
    answer = instance.post("/eval", b'{"%s": %s}' % (name.encode(), text.encode()))
    return answer.json[name] if answer.status == 200 else answer


def by_v1(instance: Running, name: str, text: str) -> Any:
    body = b'{"inputs": {"%s": %s}}' % (name.encode(), text.encode())
    answer = instance.post("/v1/models/m:predict", body)
    return answer.json["outputs"] if answer.status == 200 else answer


def by_v1_rows(instance: Running, name: str, text: str) -> Any:
    rows = json.loads(text)
    body = {"instances": [{name: row} for row in rows]}
    answer = instance.post("/v1/models/m:predict", body)
    return answer.json["predictions"] if answer.status == 200 else answer


def v2(instance: Running, name: str, text: str, binary: bool) -> Any:
    rows = text.count("[") - 1
    item = {"name": name, "shape": [rows, 2], "datatype": name.upper(), "data": "DATA"}
    outputs = [{"name": name, "parameters": {"binary_data": binary}}]
    body = json.dumps({"inputs": [item], "outputs": outputs}).replace('"DATA"', text)
    return instance.post("/v2/models/m/infer", body.encode())


def by_v2(instance: Running, name: str, text: str) -> Any:
    answer = v2(instance, name, text, binary=False)
    if answer.status != 200:
        return answer
    output = answer.json["outputs"][0]
    assert (output["name"], output["datatype"]) == (name, name.upper())
    return np.array(output["data"], dtype=object).reshape(output["shape"]).tolist()


WAYS = {"eval": by_eval, "v1": by_v1, "v1-rows": by_v1_rows, "v2": by_v2}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[Running, str, str], Any]:
    return WAYS[request.param]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("int64", [[2**53 + 1, 2**63 - 1], [-(2**63), -1]]),
        ("uint64", [[2**64 - 1, 2**63], [0, 2**53 + 1]]),
        ("int8", [[-128, 127]]),
        ("uint8", [[0, 255]]),
        ("fp16", [[0.5, -65504.0], [0.0999755859375, 6e-8]]),
        ("fp32", [[0.1, 3.4028235e38]]),
        ("fp64", [[0.1, 1.7976931348623157e308]]),
        ("bool", [[True, False]]),
        ("bytes", [["", "grüß \u0000 dich"], ["\U0001f600", '"\\\n']]),
        ("int64", [[2**53 + 1, -(2**63)]] * 600),
        ("uint64", [[2**64 - 1, 0]] * 600),
        ("fp32", [[0.1, -2.5]] * 600),
        ("bool", [[True, False]] * 600),
        ("bytes", [["a", "b"]] * 600),
    ],
)
def test_values_come_back_as_they_went_in(
    way: Callable[[Running, str, str], Any], echo: Running, name: str, rows: Any
) -> None:
    found = way(echo, name, json.dumps(rows))
    if name in ("fp16",):
        assert np.allclose(np.array(found, np.float64), np.array(rows), rtol=1e-3, atol=1e-7)
    else:
        assert found == rows


@pytest.mark.parametrize("name", ["fp16", "fp32", "fp64"])
@pytest.mark.parametrize("copies", [1, 900])
def test_a_missing_number_is_null_both_ways(
    way: Callable[[Running, str, str], Any], echo: Running, name: str, copies: int
) -> None:
    rows = [[None, 1.5]] * copies
    assert way(echo, name, json.dumps(rows)) == rows


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("int64", "[null, 1]"), ("int64", "[9223372036854775808, 1]"), ("uint64", "[-1, 1]"), ("int64", "[1.5, 1]"),
        ("uint64", "[18446744073709551616, 1]"), ("int8", "[128, 1]"), ("bool", "[2, 1]"), ("fp32", "[true, 1]"),
        ("fp32", '["1", 1]'), ("fp16", "[70000, 1]"), ("fp32", "[1e39, 1]"), ("bytes", "[1, 2]"),
        ("bytes", "[null, null]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("copies", [1, 900])
def test_a_value_that_is_none_of_its_type_is_refused_by_name(
    way: Callable[[Running, str, str], Any], echo: Running, name: str, row: str, copies: int
) -> None:
    answer = way(echo, name, "[" + ", ".join([row] * copies) + "]")
    assert answer.status == 400
    assert f'input "{name}" wants {name.upper()}, shape [-1, 2]; came' in answer.json["error"]


@pytest.mark.parametrize("copies", [1, 900])
def test_bare_words_are_taken_by_the_protocol_that_has_them(echo: Running, copies: int) -> None:
    rows = "[" + ", ".join(["[NaN, -Infinity]"] * copies) + "]"
    assert by_v1(echo, "fp32", rows) == [[None, None]] * copies
    for way in (by_eval, by_v2):
        answer = way(echo, "fp32", rows)
        assert answer.status == 400
        assert "null" in answer.json["error"]


@pytest.mark.parametrize("way", ["eval", "v2"])
def test_no_rows_are_answered_with_no_rows(echo: Running, way: str) -> None:
    if way == "eval":
        assert echo.post("/eval", {"fp32": [], "bytes": []}).json == {"fp32": [], "bytes": []}
        return
    item = {"name": "fp32", "shape": [0, 2], "datatype": "FP32", "data": []}
    output = echo.post("/v2/models/m/infer", {"inputs": [item]}).json["outputs"][0]
    assert (output["shape"], output["data"]) == ([0, 2], [])
    binary = {**item, "parameters": {"binary_data_size": 0}}
    del binary["data"]
    head = json.dumps({"inputs": [binary]}).encode()
    answer = echo.post("/v2/models/m/infer", head, inference_header_content_length=str(len(head)))
    assert answer.json["outputs"][0]["shape"] == [0, 2]


def test_v1_wants_at_least_one_instance(echo: Running) -> None:
    assert echo.post("/v1/models/m:predict", {"instances": []}).status == 400


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("fp16", np.array([[0.1, np.nan], [np.inf, -0.0]], "<f2")),
        ("fp32", np.array([[0.1, np.nan], [-np.inf, 1e-45]], "<f4")),
        ("fp64", np.array([[0.1, np.nan]], "<f8")),
        ("int64", np.array([[2**63 - 1, -(2**63)]], "<i8")),
        ("uint64", np.array([[2**64 - 1, 2**53 + 1]], "<u8")),
        ("uint8", np.array([[0, 255]], "u1")),
        ("bool", np.array([[True, False]])),
    ],
)
def test_binary_tensors_come_back_bit_by_bit(echo: Running, name: str, array: Any) -> None:
    raw = array.tobytes()
    answer = binary(echo, name, array.shape, raw)
    assert answer == raw


def test_binary_text_comes_back_byte_by_byte(echo: Running) -> None:
    raw = b"".join(struct.pack("<I", len(item)) + item for item in (b"", "é".encode(), b"\xff\x00\xfe", b"x" * 70_000))
    assert binary(echo, "bytes", (2, 2), raw) == raw


def binary(instance: Running, name: str, shape: tuple[int, ...], raw: bytes) -> bytes:
    item = {
        "name": name, "shape": shape, "datatype": name.upper(), "parameters": {"binary_data_size": len(raw)},
    }  # fmt: skip
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    answer = instance.post("/v2/models/m/infer", head + raw, inference_header_content_length=str(len(head)))
    assert answer.status == 200, answer.body
    size = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.body[:size])["outputs"][0]["parameters"] == {"binary_data_size": len(raw)}
    return answer.body[size:]


def test_bytes_that_are_no_text_are_base64_in_v1_only(echo: Running) -> None:
    body = {"inputs": {"bytes": [[{"b64": "//4="}, "a"]]}}
    assert echo.post("/v1/models/m:predict", body).status == 200
    assert echo.post("/v1/models/m:predict", {"inputs": {"bytes": [[{"b64": "?"}, "a"]]}}).status == 400
