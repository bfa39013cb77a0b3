"""A list of objects, one for each row: EAS's form for PMML and pandas' records, whatever the body is called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tests.contract.media_kit import TITANIC, ask, model

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor

JSON, BYTES, TEXT = b"application/json", b"application/octet-stream", b"text/plain"
PEOPLE = [
    {"age": 27.5, "class": 1, "sex": "female", "alone": True},
    {"age": None, "sex": "male", "class": 3, "alone": False},
]
WIDE = Tensor("x", "FP32", (-1, 2), labels=("a", "b"))


def sent(rows: Any) -> bytes:
    return json.dumps(rows).encode()


@pytest.mark.parametrize("kind", [JSON, BYTES, TEXT, b""])
def test_rows_as_objects_are_a_batch_by_column_whatever_the_body_is_called(kind: bytes) -> None:
    inputs = ask(model(*TITANIC), b"\n " + sent(PEOPLE), kind).inputs
    assert inputs["class"].tolist() == [[1], [3]]
    assert inputs["sex"].tolist() == [["female"], ["male"]]
    assert inputs["alone"].tolist() == [True, False]
    assert inputs["age"][0, 0] == 27.5
    assert np.isnan(inputs["age"][1, 0])
    assert {name: array.dtype.kind for name, array in inputs.items()} == dict(zip(inputs, "fiOb", strict=True)), (
        "the first row says the order"
    )


@pytest.mark.parametrize("kind", [JSON, BYTES])
def test_columns_that_the_single_input_has_names_for_may_come_in_any_order(kind: bytes) -> None:
    call = ask(model(WIDE), sent([{"b": 2, "a": 1}, {"a": 3, "b": 4}]), kind)
    assert call.inputs["x"].tolist() == [[1, 2], [3, 4]]
    assert ask(model(WIDE), sent([{"x": [1, 2]}, {"x": [3, 4]}]), kind).inputs["x"].tolist() == [[1, 2], [3, 4]]


def answered(outputs: Mapping[str, Any], rows: int = 2) -> Any:
    return json.loads(ask(model(*TITANIC), sent([PEOPLE[0]] * rows), JSON).encode(outputs)[0])


def test_each_row_is_answered_with_an_object() -> None:
    outputs = {
        "label": np.array(["dies", b"lives"], object),
        "survives": np.array([[0.1], [np.nan]], np.float32),
        "p": np.array([[0.9, 0.1], [0.25, 0.75]]),
    }
    assert answered(outputs) == [
        {"label": "dies", "survives": 0.1, "p": [0.9, 0.1]},
        {"label": "lives", "survives": None, "p": [0.25, 0.75]},
    ]
    assert answered({"label": np.array([1])}, 1) == [{"label": 1}]


def test_outputs_that_are_not_of_single_rows_come_by_name() -> None:
    assert answered({"mean": np.array([0.5]), "n": np.array(2)}) == {"mean": [0.5], "n": 2}


def test_another_type_of_answer_may_be_asked_for() -> None:
    call = ask(model(*TITANIC), sent(PEOPLE), JSON, accept=b"text/csv")
    assert call.encode({"p": np.array([0.5, 0.75])})[0] == b"p\r\n0.5\r\n0.75\r\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": "old"}, r'row 1, field "age": .*FP32.*came text'),
        ({"class": 1.5}, r'row 1, field "class": .*not whole'),
        ({"sex": [["male"], "x"]}, r'row 1, field "sex": .*unequal'),
        ({"agee": 3}, 'row 1 has a field "agee", which row 0 has not'),
    ],
)
@pytest.mark.parametrize("kind", [JSON, BYTES])
def test_what_is_wrong_is_told_with_row_and_field(kind: bytes, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        ask(model(*TITANIC), sent([PEOPLE[0], PEOPLE[0] | change]), kind)
    assert caught.value.details[0]["row"] == 1


def test_lacking_fields_and_rows_that_are_no_objects_are_named() -> None:
    lacking = {name: value for name, value in PEOPLE[0].items() if name != "sex"}
    with pytest.raises(InvalidInput, match='row 1 has no field "sex", which row 0 has; send null'):
        ask(model(*TITANIC), sent([PEOPLE[0], lacking]), JSON)
    with pytest.raises(InvalidInput, match='input "sex" is missing'):
        ask(model(*TITANIC), sent([lacking, lacking]), JSON)
    with pytest.raises(InvalidInput, match="row 1 is none; came a number"):
        ask(model(*TITANIC), sent([PEOPLE[0], 3]), JSON)
    with pytest.raises(InvalidInput, match="not JSON"):
        ask(model(*TITANIC), b'[{"age": 3}', JSON)
    with pytest.raises(InvalidInput, match="wants an object"):
        ask(model(*TITANIC), b"[]", JSON)


def test_columns_that_differ_in_depth_from_row_to_row_name_the_field() -> None:
    with pytest.raises(InvalidInput, match='field "x"'):
        ask(model(Tensor("x", "FP32", (-1, -1))), sent([{"x": [1, 2]}, {"x": [3]}]), JSON)


def test_plain_bytes_that_look_like_rows_and_are_none_stay_bytes() -> None:
    raw = b"[{" + bytes(6)
    call = ask(model(Tensor("x", "UINT8", (-1, 8))), raw, BYTES)
    assert call.inputs["x"].tobytes() == raw
