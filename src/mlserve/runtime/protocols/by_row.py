"""Small answers, written for all requests of a call at once: their numbers in one go, then a frame around each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from mlserve.runtime.protocols.base import Encode, Reply
from mlserve.runtime.scheduling.shares import Share, Whole
from mlserve.runtime.tensors import Array

_MOST = 64
_PLAIN = frozenset("fdbhilqBHILQ")


class ByRow:
    """Encodes the outputs of requests that want the same: ``rows`` writes a call's answers of one row each (none:
    they are not small), ``other`` any answer."""

    __slots__ = ("_other", "_rows")

    def __init__(self, rows: Callable[[Whole], list[Reply]], other: Encode) -> None:
        self._rows, self._other = rows, other

    def __call__(self, outputs: Mapping[str, Array]) -> Reply:
        if type(outputs) is Share and outputs.end - outputs.start == 1:
            whole = outputs.whole
            written = whole.written.get(self)
            if written is None:
                written = whole.written[self] = self._rows(whole)
            if written:
                reply: Reply = written[outputs.start]
                return reply
        return self._other(outputs)


def is_small(array: Array, rows: int) -> bool:
    """A few plain numbers a row."""
    return array.dtype.char in _PLAIN and 0 < array.size <= rows * _MOST


def numbers(array: Array, rows: int) -> list[bytes]:
    """The numbers of each row, as they stand in a flat list in JSON."""
    text = orjson.dumps(array.reshape(rows, -1), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[2:-2].split(b"],[")


def frame(start: bytes, end: bytes) -> bytes:
    """What stands around one output's numbers, for the ``%`` operator."""
    return verbatim(start) + b"%b" + verbatim(end)


def verbatim(text: bytes) -> bytes:
    """Text as it is, for the ``%`` operator."""
    return text.replace(b"%", b"%%")
