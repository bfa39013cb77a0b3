"""What is known of requests that came before changes nothing but the time that the next one takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols.base import Call, Model
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.scheduling.shares import Share, Whole
from mlserve.runtime.signature import Signature

OUTPUTS = (Tensor("label", "INT64", (-1,)), Tensor("100%", "FP32", (-1, 3)))
MODEL = Model("m", 1, Signature(Metadata((Tensor("x", "FP32", (-1, 4)),), OUTPUTS, "p", rows=True)))
GOOD = (
    b'{"x": [[1.0, 2.0, 3.0, 4.5]]}',
    b'{"x":[1,2,3,4]}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}',
    b'{"inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","data":[1,2,3,4,5,6,7,8]}],"outputs":[{"name":"100%"}]}',
    b'{"inputs":[{"data":[1,2,3,4],"name":"x","shape":[1,4],"datatype":"FP32"}],"parameters":{"binary_data_output":true}}',
)
ODD = (
    b'{"x": [[1.0, 2.0, 3.0, true]]}', b'{"x": [[1.0, 2.0, 3.0, null]]}', b'{"x": [[1.0, 2.0, 3.0, "4"]]}',
    b'{"x": [[1.0, 2.0, 3.0]]}', b'{"x": [[1.0, 2.0, 3.0, 1e39]]}', b'{"x": [[1.0, 2.0, 3.0, [4]]]}', b'{"x": []}',
    b'{"x": [[1.0, 2.0, 3.0, 4.0]], "x": [[1]]}', b'{"x": [[1.0, 2.0, 3.0, 4.0], [1, 2]]}', b'{"x[1]": [[1]]}',
    b'{"x": [[1.0, 2.0, 3.0, 4.0]]', b'{"y": [[1.0, 2.0, 3.0, 4.0]]}', b'{"x": "[[1,2,3,4]]"}', b"]", b"[", b"",
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, NaN]}]}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, true]}]}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4]}]}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [[5.1, 3.5, 1.4, 1]]}]}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": "]", "data": [1, 2, 3, 4]}]}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}], "id": "7"}',
    b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}],'
    b' "parameters": {"priority": 3}}',
)  # fmt: skip


def asked(form: Any, body: bytes, headers: dict[bytes, bytes]) -> Any:
    try:
        call: Call = form.decode(Request(None, "POST", b"/", headers, body))
    except InvalidInput as error:
        return error.message
    inputs = {name: (array.dtype, array.shape, str(array.tolist())) for name, array in call.inputs.items()}
    return inputs, call.rows, call.identity, call.priority, written(call)


def written(call: Call) -> Any:
    """What is answered alone, and as the second row of a call for three."""
    if call.rows != 1:
        return None
    many = {"label": np.array([3, 1, 2]), "100%": np.array([[0.1, 1, 2], [0.25, 1e-7, -3], [7, 8, 9]], np.float32)}
    one = {name: array[1:2] for name, array in many.items()}
    alone, shared = call.encode(one), call.encode(Share(Whole(many, 3), 1, 2))
    assert alone == shared
    return alone


@pytest.mark.parametrize("form", [Eval, V2])
@pytest.mark.parametrize("body", [*GOOD, *ODD])
def test_a_request_means_the_same_after_others_like_it(form: Any, body: bytes) -> None:
    experienced = form(MODEL)
    for before in GOOD * 2:
        asked(experienced, before, {})
    assert asked(experienced, body, {}) == asked(form(MODEL), body, {})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOOD), st.data())
def test_a_byte_more_or_less_means_what_it_meant(good: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(good) - 1))
    other = (
        good[:at] + data.draw(st.sampled_from((b"", b"[", b"]", b'"', b"\\", b",", b"1", b" ", b"{"))) + good[at + 1 :]
    )
    for form in (Eval, V2):
        experienced: Any = form(MODEL)
        for before in GOOD * 2:
            asked(experienced, before, {})
        assert asked(experienced, other, {}) == asked(form(MODEL), other, {})


@pytest.mark.parametrize("length", [0, 12, 16, 17])
def test_binary_tensors_behind_a_header_that_came_before_are_counted_again(length: int) -> None:
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    header = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    said = {b"inference-header-content-length": b"%d" % len(header)}
    experienced = V2(MODEL)
    for first in (1.0, 2.0):
        asked(experienced, header + np.array([first, 2, 3, 4], "<f4").tobytes(), said)
    body = header + bytes(range(length))
    assert asked(experienced, body, said) == asked(V2(MODEL), body, said)
