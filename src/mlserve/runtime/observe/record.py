"""A request and its answer as one JSON object, in the words of the Open Inference Protocol. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlserve.runtime.observe.access_log import name_of
from mlserve.runtime.observe.exchange import Arrays, Exchange
from mlserve.runtime.tensors import Array

HIDDEN = "***"
_WRITTEN_OUT = 16_384
_BYTES = 1 << 20
_WORDS = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip


def record(exchange: Exchange, clock: float, clear: frozenset[str] | None) -> dict[str, Any]:
    """``clear``: the inputs and outputs that may be read; ``None``: all."""
    return {
        "at": datetime.fromtimestamp(exchange.began + clock, UTC).isoformat(timespec="milliseconds"),
        "id": name_of(exchange),
        "path": exchange.path,
        "content_type": "application/json",
        "request": _side("inputs", exchange.inputs, clear),
        "response": _side("outputs", exchange.outputs, clear),
        "status": exchange.status,
    }


def _side(word: str, arrays: Arrays | None, clear: frozenset[str] | None) -> dict[str, Any] | None:
    """``None``: it could not be read, or there is no answer."""
    if arrays is None:
        return None
    return {
        word: [
            tensor(name, array, hidden=clear is not None and name not in clear)
            for name, array in arrays.items()
            if hasattr(array, "dtype")
        ]
    }


def tensor(name: str, array: Array, *, hidden: bool = False) -> Mapping[str, Any]:
    """Flat data; a large one as base64 of its bytes, cut where it is very large."""
    told = {"name": name, "datatype": _WORDS.get(array.dtype.name, "BYTES"), "shape": list(array.shape)}
    if hidden:
        return told | {"data": HIDDEN}
    if array.dtype.kind in "OUSV":
        return told | {"data": [_word(value) for value in array.reshape(-1)[:_WRITTEN_OUT].tolist()]}
    if array.size <= _WRITTEN_OUT:
        return told | {"data": array.reshape(-1).tolist()}
    raw = array.tobytes()
    cut = {"truncated": True} if len(raw) > _BYTES else {}
    return told | {"base64": base64.b64encode(raw[:_BYTES]).decode(), **cut}


def _word(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value if isinstance(value, str | int | float | bool | None) else str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:  # a picture, say
        return {"b64": base64.b64encode(value[:_BYTES]).decode()}
