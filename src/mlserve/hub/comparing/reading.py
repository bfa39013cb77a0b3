"""An answer's body as JSON values; tensors that follow a JSON head as the numbers that they hold. Pure."""

from __future__ import annotations

import json
import sys
from array import array
from typing import Any

_NUMBERS = {"FP32": "f", "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q"} | {
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "BOOL": "B",
}  # fmt: skip
"""The datatypes of the Open Inference Protocol that Python has arrays of."""
_UNNAMED = ("", "text/plain", "application/octet-stream")
"""What programs say of JSON that have not thought about it."""


class Unreadable(Exception):
    """It is nothing that has fields."""


def read(kind: str, body: bytes, head: int | None = None) -> Any:
    """Raises Unreadable. ``head``: bytes of JSON that the body begins with, tensors follow."""
    kind = kind.partition(";")[0].strip().lower()
    if head is not None:
        return _with_tensors(_parsed(body[:head]), body[head:])
    if kind.endswith("json") or kind in _UNNAMED:
        return _parsed(body)
    raise Unreadable


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Unreadable from exc


def _with_tensors(said: Any, rest: bytes) -> Any:
    """The same with each tensor's ``data`` where its size was told."""
    outputs = said.get("outputs") if isinstance(said, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        raise Unreadable
    filled, at = [], 0
    for output in outputs:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if isinstance(size, int):
            output = {**output, "data": _values(str(output.get("datatype")), rest[at : at + size])}
            at += size
        filled.append(output)
    return {**said, "outputs": filled}


def _values(datatype: str, data: bytes) -> list[Any] | str:
    code = _NUMBERS.get(datatype)
    if code is None or len(data) % array(code).itemsize:
        return data.hex()
    values = array(code, data)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()
