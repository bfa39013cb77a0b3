"""Answers of the simplified format: JSON, or what the Accept header asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mlserve.runtime.media.accept import choose
from mlserve.runtime.media.layout import layout_of
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.abilities import generates
from mlserve.runtime.protocols.base import JSON, Model, NotAcceptable, Reply, dump_json, jsonable
from mlserve.runtime.protocols.by_row import frame, is_small, numbers
from mlserve.runtime.protocols.fitting import BATCH, SINGLE
from mlserve.runtime.scheduling.shares import Whole
from mlserve.runtime.tensors import Array

_CSV, _ARROW, _FORM = b"text/csv", b"application/vnd.apache.arrow.stream", b"multipart/form-data"
_PICTURES = (b"image/png", b"image/jpeg")
_EVENTS = b"text/event-stream"
_ANY = frozenset((b"*/*", JSON, b""))


class Replies:
    """Writes answers of one model."""

    def __init__(self, model: Model) -> None:
        self._outputs = {tensor.name: tensor for tensor in model.signature.metadata.outputs}
        options = model.config.get("image")
        self._image: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
        outputs = model.signature.metadata.outputs
        picture = len(outputs) == 1 and layout_of(outputs[0], self._image) is not None
        self._stream = f"; events come from /v2/models/{model.service}/generate_stream" if generates(model) else ""
        self._offered = (JSON, _ARROW, _CSV, _FORM, *(_PICTURES if picture else ()))

    def kind(self, accept: bytes | None) -> bytes:
        """The type to answer with; raises NotAcceptable."""
        if accept is None or accept in _ANY:
            return JSON
        chosen = choose(accept, self._offered)
        if chosen is None:
            offered = b", ".join(self._offered).decode()
            said = f"the Accept header takes none of what can be answered here: {offered}"
            raise NotAcceptable(said + (self._stream if _EVENTS in accept else ""))
        return chosen

    def writer(self, kind: bytes, form: int) -> Callable[[Mapping[str, Array]], Reply]:
        """The function that writes outputs; only JSON is quick."""
        if kind == _FORM:
            return lambda outputs: _form(_shaped(outputs, form))
        if kind == _CSV:
            return partial(_csv, self._outputs)
        if kind == _ARROW:
            return _arrow
        return lambda outputs: self._picture(kind, outputs)

    def _picture(self, kind: bytes, outputs: Mapping[str, Array]) -> Reply:
        from mlserve.runtime.media import pictures

        name, array = next(iter(outputs.items()))
        return pictures.write(array, self._outputs[name], kind, self._image), kind, b""


def as_json(form: int, outputs: Mapping[str, Array]) -> Reply:
    """An object by output name."""
    return dump_json({name: jsonable(array) for name, array in _shaped(outputs, form).items()}), JSON, b""


def json_rows(form: int, whole: Whole) -> list[Reply]:
    """The answers of a call's requests of one row each, all alike but for their numbers; none: they are not so."""
    frames, columns = [], []
    for name, array in whole.outputs.items():
        batch, flat = form == BATCH, array.ndim == 1
        if array.ndim not in (1, 2) or not is_small(array, whole.rows) or form == SINGLE:
            return []
        if flat and not batch and array.dtype.kind == "f":
            return []  # one number alone is written with all its digits
        depth = batch + (not flat)
        frames.append(frame(dump_json(name) + b":" + b"[" * depth, b"]" * depth))
        columns.append(numbers(array, whole.rows))
    text = b"{" + b",".join(frames) + b"}"
    return [(text % values, JSON, b"") for values in zip(*columns, strict=True)]


def _shaped(outputs: Mapping[str, Array], form: int) -> Mapping[str, Array]:
    if form == BATCH:
        return outputs
    return {name: _shortened(array, form) for name, array in outputs.items()}


def _shortened(array: Array, form: int) -> Array:
    if array.ndim and array.shape[0] == 1:
        array = array[0:1].reshape(array.shape[1:])
    if form == SINGLE and array.size == 1:
        array = array.reshape(())
    return array


def _csv(tensors: Mapping[str, Tensor], outputs: Mapping[str, Array]) -> Reply:
    from mlserve.runtime.media import csv_rows

    return csv_rows.write(outputs, tensors), b"text/csv; charset=utf-8; header=present", b""


def _arrow(outputs: Mapping[str, Array]) -> Reply:
    from mlserve.runtime.media import arrow_rows

    return arrow_rows.write(outputs), _ARROW, b""


def _form(outputs: Mapping[str, Array]) -> Reply:
    from mlserve.runtime.protocols import multipart

    body, kind = multipart.join({name: dump_json(jsonable(array)) for name, array in outputs.items()})
    return body, kind, b""
