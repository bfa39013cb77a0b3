"""Requests that came before, but for their numbers: read by what stands around these, once found right as a whole.

Two bodies with the same bytes before and behind one flat list of numbers say the same of everything else, for no
string is open where the list begins.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from typing import Any

import numpy as np
import orjson

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Call, Encode
from mlserve.runtime.protocols.small import packer
from mlserve.runtime.tensors import DTYPES, Array

_KEPT = 256
_LARGEST = 1 << 10
_NUMBERS = frozenset((int, float))
_Part = tuple[str, tuple[int, ...], np.dtype[Any], int]


class _Listed:
    """One input, its numbers in a list."""

    __slots__ = ("count", "dtype", "encode", "name", "pack", "rows", "shape")

    def __init__(self, name: str, array: Array, pack: struct.Struct, rows: int, encode: Encode) -> None:
        self.name, self.shape, self.dtype, self.count = name, array.shape, array.dtype, array.size
        self.pack, self.rows, self.encode = pack.pack, rows, encode


class KnownLists:
    """JSON bodies with one input. ``where``: what says the rest, such as headers."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Listed] = {}

    def find(self, body: bytes, start: int, end: int, where: Hashable = None) -> Call | None:
        """The call that this body is; ``None``: it must be read. Its list stands from ``start`` to before ``end``."""
        known = self._known.get((body[:start], body[end:], where))
        if known is None:
            return None
        try:
            values = orjson.loads(body[start:end])
            if type(values) is not list or len(values) != known.count or not _NUMBERS.issuperset(map(type, values)):
                return None
            packed = bytearray(known.pack(*values))
        except (orjson.JSONDecodeError, struct.error, OverflowError):
            return None
        return Call({known.name: np.ndarray(known.shape, known.dtype, packed)}, known.rows, known.encode)

    def keep(
        self, body: bytes, start: int, end: int, tensor: Tensor, values: Any, call: Call, encode: Encode,
        where: Hashable = None,
    ) -> None:  # fmt: skip
        """This body was read as a call whose only input has these values in a flat list, if they stand there.

        ``encode`` is for those that come after it.
        """
        array, pack = call.inputs[tensor.name], packer(tensor.datatype, len(values))
        if (
            pack is None
            or not values
            or b"\\" in body
            or len(body) > _LARGEST
            or array.dtype != DTYPES[tensor.datatype]
            or not _NUMBERS.issuperset(map(type, values))
            or _loaded(body[start:end]) != values
        ):
            return
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[body[:start], body[end:], where] = _Listed(tensor.name, array, pack, call.rows, encode)


class KnownHeaders:
    """Bodies with binary tensors behind a JSON header."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[list[_Part], int, int, Encode]] = {}

    def find(self, body: bytes, size: int) -> Call | None:
        """The call that this body is; ``None``: it must be read. ``size``: bytes of its header."""
        known = self._known.get(body[:size])
        if known is None:
            return None
        parts, length, rows, encode = known
        if len(body) != length:
            return None
        inputs = {name: np.ndarray(shape, dtype, body, start) for name, shape, dtype, start in parts}
        return Call(inputs, rows, encode)

    def keep(self, body: bytes, size: int, call: Call, encode: Encode) -> None:
        """This body was read as a call, all of whose inputs stand behind the header in their order.

        ``encode`` is for those that come after it.
        """
        if size > _LARGEST or any(array.dtype.kind == "O" for array in call.inputs.values()):
            return
        parts: list[_Part] = []
        start = size
        for name, array in call.inputs.items():
            parts.append((name, array.shape, array.dtype, start))
            start += array.nbytes
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[body[:size]] = parts, start, call.rows, encode


def _loaded(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
