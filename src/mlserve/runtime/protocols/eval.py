"""POST / and /eval: tensors by input name, a batch or one row, or a body of another type; GET /describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import (
    JSON,
    Call,
    Encode,
    Model,
    Reply,
    UnsupportedMedia,
    check_object,
    content_type,
    dump_json,
    parse_tensors,
)
from mlserve.runtime.protocols.by_row import ByRow
from mlserve.runtime.protocols.eval_reply import Replies, as_json, json_rows
from mlserve.runtime.protocols.fitting import BATCH, ROW, SINGLE, fit
from mlserve.runtime.protocols.known import KnownLists
from mlserve.runtime.tensors import Array, type_word

ACCEPTED = (
    "application/json (tensors by input name, or a list of objects, one a row), multipart/form-data (a part for each), "
    "image/png, image/jpeg, text/csv, Parquet, Arrow, application/octet-stream (the bytes of one input)"
)
_AS_JSON = frozenset((b"", JSON, b"text/json", b"text/plain", b"application/x-www-form-urlencoded"))
_BYTES = b"application/octet-stream"
_PROTOBUF = frozenset((b"application/x-protobuf", b"application/protobuf", b"application/vnd.google.protobuf"))
_PROTOBUF_BEGINS = frozenset((b"\x0a", b"\x10", b"\x12", b"\x1a"))
"""The first byte of EAS's PredictRequest, which its clients send as plain bytes."""
_MARKS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"PAR1", b"ARROW1", b"RIFF", b"GIF8", b"II*\0", b"MM\0*")
_OTHERS = frozenset(
    (
        b"multipart/form-data", b"image/png", b"image/jpeg", b"image/jpg", b"text/csv", b"application/csv",
        b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.file", b"application/vnd.apache.parquet",
        b"application/x-parquet", b"application/parquet",
    )
)  # fmt: skip

_ROWS_BEGIN = re.compile(rb"\s*\[\s*\{").match
"""A list of objects."""

_Place = tuple[int, int, Hashable]
"""Where a body's first list begins and ends, and the headers that it depends on."""
_SMALL, _ONE_NAME = 2048, 2
"""Bytes of a body that is worth knowing, and the quotes in it: those of one input's name."""


class Eval:
    """The simplified format."""

    def __init__(self, model: Model) -> None:
        self._model, self._signature = model, model.signature
        self._replies = Replies(model)
        self._lists = KnownLists()
        self._known = {form: ByRow(partial(json_rows, form), partial(as_json, form)) for form in (BATCH, ROW, SINGLE)}

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {"/": self.decode, "/eval": self.decode}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return {"/describe": self.describe}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def describe(self) -> Any:
        metadata = self._signature.metadata
        return {
            "inputs": [_described(t) for t in metadata.inputs],
            "outputs": [_described(t) for t in metadata.outputs],
        }

    def decode(self, request: Request) -> Call:
        body, headers = request.body, request.headers
        if len(body) > _SMALL:
            return self._read(request, None)
        where = (headers.get(b"content-type"), headers.get(b"accept"))
        end = body.find(b"]") + 1
        start = body.rfind(b"[", 0, end)
        call = self._lists.find(body, start, end, where)
        return self._read(request, (start, end, where)) if call is None else call

    def _read(self, request: Request, place: _Place | None) -> Call:
        """A request of which no like came before."""
        answer = self._replies.kind(request.headers.get(b"accept"))
        kind, body = content_type(request), request.body
        if body[:1] != b"{" and (kind in _AS_JSON or kind == _BYTES):
            rows = self._rows(body, kind, answer)
            if rows is not None:
                return rows
            if body.startswith(_MARKS):
                kind = _BYTES  # a file sent without saying what it is
        if kind in _AS_JSON or (kind == _BYTES and body[:1] in (b"{", b"")):
            asked = check_object(parse_tensors(body), "an object of tensors by input name")
            inputs, form = self._inputs(asked)
            call = self._call(inputs, form, answer)
            if place is not None and answer == JSON and len(asked) == 1:
                self._keep(body, place, asked, form, call)
            return call
        if kind in _PROTOBUF or (kind == _BYTES and body[:1] in _PROTOBUF_BEGINS):
            eas = self._eas(body, sure=kind in _PROTOBUF)
            if eas is not None:
                return eas
        if kind != _BYTES and kind not in _OTHERS:
            raise UnsupportedMedia(f"{kind.decode('latin-1')} is not taken here; send {ACCEPTED}")
        written = _Written()
        call = Call({}, 1, written)
        call.slow = answer != JSON
        call.prepare = partial(self._prepare, call, written, kind, request, answer)
        return call

    def _keep(self, body: bytes, place: _Place, asked: Mapping[str, Any], form: int, call: Call) -> None:
        """Know requests that differ in the numbers of their only list alone."""
        start, end, where = place
        ((name, values),) = asked.items()
        if type(values) is list and len(values) == 1 and type(values[0]) is list:
            values = values[0]
        if type(values) is list and start >= 0 and body.count(b'"') == body.count(b'"', 0, start) == _ONE_NAME:
            tensor = self._signature.tensor(name)
            self._lists.keep(body, start, end, tensor, values, call, self._known[form], where)

    def _rows(self, body: bytes, kind: bytes, answer: bytes) -> Call | None:
        """A list of objects, one for each row; ``None``: it is none."""
        if not _ROWS_BEGIN(body):
            return None
        from mlserve.runtime.protocols import row_objects  # few send it

        rows = row_objects.parsed(body, sure=kind != _BYTES)
        if rows is None:
            return None
        inputs, _ = self._inputs(row_objects.values_of(rows, self._model))
        call = self._call(inputs, BATCH, answer)
        if answer == JSON:
            call.encode = row_objects.writer(len(rows))
        return call

    def _eas(self, body: bytes, *, sure: bool) -> Call | None:
        from mlserve.runtime.protocols.eas_protobuf import EasProtobuf  # few send it

        return EasProtobuf(self._model).call(body, sure=sure)

    def call(self, values: Mapping[str, Any]) -> Call:
        """Values by input name, checked."""
        inputs, form = self._inputs(values)
        return self._call(inputs, form, JSON)

    def error(self, error: InvalidInput) -> bytes:
        detail = error.details[0] if error.details else {}
        return dump_json({"error": error.message, "code": error.code, **detail})

    def _call(self, inputs: dict[str, Array], form: int, answer: bytes) -> Call:
        rows = self._signature.count(inputs)
        call = Call(inputs, rows, self._writer(answer, form))
        call.slow = answer != JSON
        return call

    def _writer(self, answer: bytes, form: int) -> Encode:
        return partial(as_json, form) if answer == JSON else self._replies.writer(answer, form)

    def _prepare(self, call: Call, written: _Written, kind: bytes, request: Request, answer: bytes) -> None:
        from mlserve.runtime.protocols.eval_bodies import Bodies  # not before the first body that is not JSON

        values = Bodies(self._model).read(kind, request.headers.get(b"content-type", b""), request.body)
        inputs, form = self._inputs(values)
        call.inputs, call.rows = inputs, self._signature.count(inputs)
        written.writer = self._writer(answer, form)

    def _inputs(self, values: Mapping[str, Any]) -> tuple[dict[str, Array], int]:
        """The arrays, and how they came."""
        signature = self._signature
        signature.check_names(values)
        inputs: dict[str, Array] = {}
        forms = set()
        for name, value in values.items():
            single = signature.singles.get(name)
            if single is not None and type(value) is float and -single.limit <= value <= single.limit:
                inputs[name], form = np.array(value, dtype=single.dtype, ndmin=single.rank), SINGLE
            else:
                tensor = signature.tensor(name)
                array = value if isinstance(value, np.ndarray) else from_json(value, tensor)
                inputs[name], form = fit(array, tensor)
            forms.add(form)
        return inputs, BATCH if BATCH in forms or not forms else max(forms)


class _Written:
    """Writes outputs in the form that the inputs turn out to have."""

    writer: Encode

    def __call__(self, outputs: Mapping[str, Array]) -> Reply:
        return self.writer(outputs)


def _described(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "type": type_word(tensor.datatype),
        "shape": None if tensor.shape is None else list(tensor.shape),
    }
