"""The usual request's tensors: a few numbers in a flat list, packed and checked by one call of `struct`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, Array, fits

_MOST = 64
_CODES = {
    "FP32": "f", "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
}  # fmt: skip
_NUMBERS, _SIZES = frozenset((int, float)), frozenset((int,))


@cache
def _packers(code: str) -> list[struct.Struct]:
    return [struct.Struct(f"={count}{code}") for count in range(_MOST + 1)]


def packer(datatype: str, count: int) -> struct.Struct | None:
    """Packs so many numbers; ``None``: too many, or of another kind."""
    code = _CODES.get(datatype)
    return _packers(code)[count] if code is not None and count <= _MOST else None


class SmallTensors:
    """Reads them for the inputs that have one datatype."""

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self._known = {
            tensor.name: (tensor, DTYPES[tensor.datatype], _packers(code))
            for tensor in inputs
            if (code := _CODES.get(tensor.datatype)) and tensor.shape is not None
        }

    def read(self, item: dict[str, Any]) -> Array | None:
        """The array of a V2 input; ``None``: it is another kind, or wrong, and the longer way says in what."""
        name, data, shape = item.get("name"), item.get("data"), item.get("shape")
        if type(name) is not str or type(data) is not list or type(shape) is not list or len(data) > _MOST:
            return None
        known = self._known.get(name)
        if (
            known is None
            or len(item) > 4
            or not (_NUMBERS.issuperset(map(type, data)) and _SIZES.issuperset(map(type, shape)))
        ):
            return None
        tensor, dtype, packers = known
        if item.get("datatype") != tensor.datatype:
            return None
        try:
            array: Array = np.ndarray(shape, dtype, bytearray(packers[len(data)].pack(*data)))
        except (struct.error, OverflowError, TypeError, ValueError):
            return None
        return array if array.size == len(data) and fits(array.shape, tensor) else None
