"""Large JSON bodies give the same arrays, and the same complaints, as the usual way does."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserve.errors import InvalidInput
from mlserve.runtime import numeric_json
from mlserve.runtime.nested import from_json
from mlserve.runtime.numeric_json import Numbers, parse_large
from mlserve.runtime.processors.base import Tensor

DATATYPES = ["FP16", "FP32", "FP64", "INT8", "INT32", "INT64", "UINT8", "UINT64", "BOOL", "BYTES", ""]


def outcome(value: Any, tensor: Tensor) -> Any:
    try:
        array = from_json(value, tensor)
    except InvalidInput as exc:
        return type(exc), exc.message
    return array.dtype, array.shape, array.tobytes() if array.dtype.kind != "O" else array.tolist()


def taken(body: bytes) -> Any:
    return parse_large(body, orjson.loads)


def test_long_lists_of_numbers_are_taken_out_wherever_they_are() -> None:
    numbers = [round(i / 7, 3) for i in range(300)]
    nested = [numbers[i : i + 3] for i in range(0, 300, 3)]
    for body in ({"x": numbers}, {"x": nested, "y": [1, 2]}, {"inputs": [{"data": numbers, "name": "x"}]}):
        for text in (orjson.dumps(body), json.dumps(body, indent=1).encode()):
            found = taken(text)
            item = found["x"] if "x" in found else found["inputs"][0]["data"]
            assert isinstance(item, Numbers)
            array = item.array(np.dtype(np.float64))
            assert array is not None
            assert array.tolist() == (body.get("x") or numbers)


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3], [4, 5, 6]] * 100,
        [[1, 2], [3, 4, 5, 6]] * 100,
        [[[1], [2]], [[3, 4]]] * 100,
        [1, [2]] * 200,
        [[1, 2], []] * 200,
        [[]] * 400,
        [[[1, 2], [3, 4]], [[5, 6], [7, 8]]] * 60,
        [[[[1]]]] * 200,
        [None, 1.5] * 200,
        [True, False] * 200,
        [2**53 + 1, 2**63 - 1, -(2**63)] * 40,
        [2**63, 2**64 - 1] * 40,
        [2**70, 1] * 100,
        [1e308, 1.5] * 100,
        [65504.0, 65520.0] * 100,
        [1, 2.5] * 200,
        [1, 2.0] * 200,
        [-1, 255] * 200,
        [2**53 + 1, 1.5] * 60,
        [9007199254740993, 18446744073709551615] * 40,
        [0.1, -0.0, 1e-320] * 100,
    ],
)  # fmt: skip
@pytest.mark.parametrize("datatype", DATATYPES)
def test_a_large_list_is_read_as_a_small_one_is(value: Any, datatype: str) -> None:
    body = taken(orjson.dumps({"x": value}) if max(map(_size, value)) < 2**64 else json.dumps({"x": value}).encode())
    tensor = Tensor("x", datatype, None)
    usual = orjson.loads(orjson.dumps(value)) if max(map(_size, value)) < 2**64 else orjson.loads(json.dumps(value))
    assert isinstance(body["x"], Numbers)
    assert outcome(body["x"], tensor) == outcome(usual, tensor)


def _size(value: Any) -> float:
    return max(map(_size, value), default=0) if isinstance(value, list) else abs(value or 0)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.booleans(),
                 lambda inner: st.lists(inner, max_size=4), max_leaves=20),
    st.sampled_from(DATATYPES),
)  # fmt: skip
def test_no_list_is_read_otherwise_than_the_usual_way(value: Any, datatype: str) -> None:
    tensor = Tensor("x", datatype, None)
    text = json.dumps(value).encode()
    try:
        usual = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    assert outcome(Numbers(text, orjson.loads), tensor) == outcome(usual, tensor)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}[],:"1.e-\\ xn\0', max_size=40), st.text(alphabet='{}[],:"1.e-\\ xn', max_size=40))
def test_what_is_not_json_is_not_taken_for_it(before: str, after: str) -> None:
    body = (before + '"x": [' + "1, " * 300 + "1]" + after).encode()
    try:
        usual = orjson.loads(body)
    except orjson.JSONDecodeError:
        with pytest.raises((orjson.JSONDecodeError, InvalidInput)):
            plain(taken(body))
    else:
        assert plain(taken(body)) == usual


def plain(value: Any) -> Any:
    if isinstance(value, Numbers):
        return value.plain()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_a_list_that_is_no_json_is_refused_when_it_is_read() -> None:
    body = b'{"x": [' + b"1, " * 300 + b"tru]}"
    with pytest.raises(InvalidInput, match="not JSON"):
        from_json(taken(body)["x"], Tensor("x", "FP32", None))


def test_without_the_library_the_usual_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric_json, "_library", lambda: None)
    assert from_json(taken(orjson.dumps({"x": [1.5] * 300}))["x"], Tensor("x", "FP32", None)).tolist() == [1.5] * 300
