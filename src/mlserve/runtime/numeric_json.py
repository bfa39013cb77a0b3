"""Large JSON bodies: their long arrays of numbers stay text until the datatype is known, and are then read at once.

The body is cut at its quotation marks, so what lies between two strings is structure alone. A long list in there is
taken out and a short mark put in its place; `orjson` reads the rest. The list itself is read by simdjson, which
flattens lists in lists without a word: its brackets and commas are therefore compared with those that a regular
array has. Whatever is out of the ordinary goes the usual way, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.tensors import FINITE, Array

LARGE = 2560
"""Bytes of a body from which this is quicker (measured: even at 2.3 KB, twice as quick at 15 KB)."""
_LONG = 512
"""Bytes of a list that is worth taking out."""
_DIGITS = b"0123456789.eE+- \t\r\n"
_SPACE = b" \t\r\n"
_ENDS = b", \t\r\n"
_MARK = "\0"
_ESCAPED_MARK = b'"\\u0000'


class Numbers:
    """A list of numbers, possibly nested, as its text. `plain` gives what JSON would."""

    __slots__ = ("_loads", "text")

    def __init__(self, text: bytes, loads: Callable[[bytes], Any]) -> None:
        self.text = text
        self._loads = loads

    def plain(self) -> Any:
        try:
            return self._loads(self.text)
        except (ValueError, RecursionError) as exc:
            hint = "; JSON has no NaN: send null for a missing number" if b"NaN" in self.text else ""
            raise InvalidInput(f"a list in the body is not JSON: {exc}{hint}") from None

    def array(self, dtype: np.dtype[Any] | None) -> Array | None:
        """The array, where everything in it is a number that the dtype holds exactly as the usual way would."""
        if dtype is not None and dtype.kind not in "fiu":
            return None
        shape = _shape(self.text)
        flat = None if shape is None else _flat(self.text, dtype)
        return None if flat is None or shape is None or flat.size != np.prod(shape) else flat.reshape(shape)


def parse_large(body: bytes, loads: Callable[[bytes], Any]) -> Any:
    """The body with each long list of numbers as `Numbers`; raises what ``loads`` raises."""
    if b"\\" in body:
        return loads(body)  # an escaped quotation mark would be taken for a real one
    pieces = body.split(b'"')
    taken: list[Numbers] = []
    for index in range(0, len(pieces), 2):
        piece = pieces[index]
        if len(piece) >= _LONG and (found := _list_in(piece)):
            start, end = found
            pieces[index] = b"%s%s%d" % (piece[:start], _ESCAPED_MARK, len(taken)) + b'"' + piece[end:]
            taken.append(Numbers(piece[start:end], loads))
    if not taken:
        return loads(body)
    try:
        return _filled(loads(b'"'.join(pieces)), taken)
    except (ValueError, RecursionError):
        return loads(body)  # raises with places that are those of the body


def _list_in(piece: bytes) -> tuple[int, int] | None:
    """Where the value of a name lies in ``: [...]`` and what follows it, where that is a list and nothing else."""
    start = piece.find(b"[")
    if start < 0 or piece[:start].strip(_SPACE) != b":":
        return None
    brace = piece.find(b"}", start)
    end = len(piece[: brace if brace >= 0 else len(piece)].rstrip(_ENDS))
    return (start, end) if end > start and piece[end - 1] == ord("]") and b"{" not in piece[start:end] else None


def _filled(value: Any, taken: list[Numbers]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, taken) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, taken) for item in value]
    if isinstance(value, str) and value.startswith(_MARK):
        return taken[int(value[1:])]
    return value


def _shape(text: bytes) -> tuple[int, ...] | None:
    """The sizes of a regular array; ``None`` where it is ragged, empty or no array."""
    if text.count(b"[") == 1:
        return (text.count(b",") + 1,)
    bones = text.translate(None, _DIGITS)
    depth = len(bones) - len(bones.lstrip(b"["))
    sizes: list[int] = []
    unit = b""
    for level in range(depth):
        start = depth - 1 - level
        end = bones.find(b"]" * (level + 1), start) + level + 1
        size, left = divmod(end - start - 1, len(unit) + 1)
        if end <= level or left or not size:
            return None
        unit = b"[" + b",".join([unit] * size) + b"]"
        sizes.insert(0, size)
    return tuple(sizes) if depth and unit == bones else None


def _flat(text: bytes, dtype: np.dtype[Any] | None) -> Array | None:
    simdjson = _library()
    if simdjson is None:
        return None
    kind = "i" if dtype is None or dtype.kind == "i" else "u" if dtype.kind == "u" else "d"
    try:
        document = simdjson.Parser().parse(text)
        try:
            array = np.frombuffer(document.as_buffer(of_type=kind), dtype=_WIDEST[kind])
        finally:
            del document  # the parser must outlive what it gave
    except (ValueError, TypeError, OverflowError, RuntimeError):
        return _mixed(text) if dtype is None else None
    return array if dtype is None else _narrowed(array, dtype)


def _mixed(text: bytes) -> Array | None:
    """Numbers with and without a point, which numpy makes double; without any point it may be a huge whole number."""
    return _flat(text, _WIDEST["d"]) if b"." in text else None


def _narrowed(array: Array, dtype: np.dtype[Any]) -> Array | None:
    if array.dtype == dtype:
        return array
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
        return narrow if array.size == 0 or np.abs(array).max() <= FINITE[dtype] else None
    info = np.iinfo(dtype)
    return array.astype(dtype) if array.size == 0 or (array.min() >= info.min and array.max() <= info.max) else None


_WIDEST = {"d": np.dtype(np.float64), "i": np.dtype(np.int64), "u": np.dtype(np.uint64)}


def _library() -> Any:
    """simdjson, loaded by the first large body; ``None`` where the environment lacks it: slower, otherwise the same."""
    try:
        import simdjson
    except ImportError:
        return None
    return simdjson
