"""The Accept header chooses the form of an answer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.contract.media_kit import ARROW, CSV, PARQUET, ask, model

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols.base import Model, NotAcceptable, UnsupportedMedia
from mlserve.runtime.signature import Signature

EVENTS = b"text/event-stream"


OUTPUTS: dict[str, Any] = {
    "label": np.array(["a", "b"], dtype=object),
    "scores": np.array([[0.1, 0.9], [np.nan, 0.25]], np.float32),
    "n": np.array([[1], [2]]),
}


def answered(accept: bytes, outputs: dict[str, Any] = OUTPUTS) -> tuple[bytes, bytes]:
    served = model(Tensor("x", "FP32", (-1, 1)), outputs=())
    body, kind, _ = ask(served, b'{"x": [[1.0], [2.0]]}', b"application/json", accept=accept).encode(outputs)
    return body, kind


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (b"*/*", b"application/json"),
        (b"application/*", b"application/json"),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", b"application/json"),
        (b"text/csv", b"text/csv"),
        (b"application/json;q=0.5, text/csv;q=0.9", b"text/csv"),
        (b"application/json;q=0, */*;q=0.1", ARROW),
        (b"*/*, text/csv", b"text/csv"),
        (ARROW + b";q=1, application/json;q=0.1", ARROW),
        (b"multipart/form-data", b"multipart/form-data"),
    ],
)
def test_the_accept_header_chooses_the_form_of_the_answer(accept: bytes, kind: bytes) -> None:
    assert answered(accept)[1].startswith(kind)


@pytest.mark.parametrize("accept", [b"image/png", b"text/html", b"application/json;q=0", b"nonsense", b"text/csv;q=x"])
def test_what_cannot_be_answered_is_406_with_what_can(accept: bytes) -> None:
    with pytest.raises(NotAcceptable, match=r"application/json.*text/csv") as error:
        answered(accept)
    assert error.value.status == 406


def test_whoever_wants_events_of_a_model_that_streams_is_told_where_they_are() -> None:
    metadata = Metadata((Tensor("text", "BYTES", (-1,)),), (Tensor("word", "BYTES", (-1,)),), streams=True)
    with pytest.raises(NotAcceptable, match=r"events come from /v2/models/writer/generate_stream"):
        ask(Model("writer", 1, Signature(metadata)), b'{"text": ["a"]}', b"application/json", accept=EVENTS)
    with pytest.raises(NotAcceptable) as error:
        answered(EVENTS)
    assert "generate_stream" not in str(error.value)


def test_outputs_as_csv_name_their_columns_by_label_where_there_is_one_for_each() -> None:
    p, q = Tensor("p", "FP32", (-1, 2), labels=("no", "yes")), Tensor("q", "FP32", (-1, 2), labels=("a", "a"))
    call = ask(model(Tensor("x", "FP32", (-1,)), outputs=(p, q)), b'{"x": [1]}', b"", accept=CSV)
    outputs = {"p": np.array([[0.25, 0.75]], np.float32), "q": np.array([[1, 2]], np.float32)}
    assert call.encode(outputs)[0] == b"p_no,p_yes,q_0,q_1\r\n0.25,0.75,1.0,2.0\r\n"


def test_outputs_are_answered_as_csv_of_equally_many_rows() -> None:
    assert answered(b"text/csv")[0].decode().splitlines() == ["label,scores_0,scores_1,n", "a,0.1,0.9,1", "b,,0.25,2"]
    with pytest.raises(InvalidInput, match="as many rows"):
        answered(b"text/csv", {"a": np.zeros(2), "b": np.zeros(3)})


def test_outputs_are_answered_as_an_arrow_table() -> None:
    table = pa.ipc.open_stream(answered(ARROW)[0]).read_all()
    assert table.column("label").to_pylist() == ["a", "b"]
    assert table.column("scores").to_pylist()[0] == pytest.approx([0.1, 0.9])
    assert str(table.schema.field("scores").type) == "fixed_size_list<item: float>[2]"
    empty = pa.ipc.open_stream(answered(ARROW, {"y": np.zeros((0, 3), np.float32)})[0]).read_all()
    assert empty.num_rows == 0


def test_outputs_are_answered_as_the_parts_of_a_form() -> None:
    body, kind = answered(b"multipart/form-data")
    boundary = kind.partition(b"boundary=")[2]
    parts = [part.partition(b"\r\n\r\n") for part in body.split(b"--" + boundary)[1:-1]]
    assert [json.loads(value) for _, _, value in parts][2] == [[1], [2]]
    assert b'name="label"' in parts[0][0]


def test_an_environment_without_the_library_says_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsupportedMedia, match=r"pyarrow.*\"arrow\": true") as error:
        ask(model(Tensor("x", "FP32", (-1, 3))), b"", PARQUET)
    assert error.value.status == 415
