"""Nested JSON lists as an array of the datatype that an input wants; every complaint names the input."""

from __future__ import annotations

import reprlib
from itertools import chain
from typing import Any

import numpy as np

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, FINITE, Array, bad, datatype_of

_FEW = 32
DEEPEST = 32
"""The dimensions that every numpy can walk."""
_MOST_TEXT = 4 << 20
"""Characters that numpy's own text may take."""
_RAGGED = "lists of unequal length, or mixed with single values: {}"
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 4
_KINDS = {
    str: "text", bytes: "bytes", bool: "true/false", type(None): "null", dict: "an object", int: "a whole number",
    float: "a number",
}  # fmt: skip


def from_json(value: Any, tensor: Tensor) -> Array:
    """Nested lists as an array of the tensor's datatype, shape not yet checked; ``null`` is a missing number (NaN)."""
    flat, kinds = _flattened(value, tensor)
    if tensor.datatype == "BYTES":
        return _texts(value, flat, tensor)
    if not tensor.datatype:
        return _nested(value, flat, tensor, None if _fits_numpy(flat, kinds) else np.dtype(np.object_))
    guilty = _guilty(kinds, DTYPES[tensor.datatype])
    if guilty is not None:
        raise bad(tensor, f"{_KINDS.get(guilty, guilty.__name__)}: {_glimpse(value)}")
    return _as_datatype(_nested(value, flat, tensor), value, flat, tensor)


def _flattened(value: Any, tensor: Tensor) -> tuple[list[Any], set[type]]:
    """The single values inside nested lists, and their types: looked at before numpy, which would make text of all."""
    if type(value) is not list:
        return [value], {type(value)}
    for _ in range(DEEPEST):
        kinds = set(map(type, value))
        if list not in kinds:
            return value, kinds
        if len(kinds) > 1:
            raise bad(tensor, _RAGGED.format(_glimpse(value)))
        value = list(chain.from_iterable(value))
    raise bad(tensor, f"lists inside lists, more than {DEEPEST} deep")


def _nested(value: Any, flat: list[Any], tensor: Tensor, dtype: np.dtype[Any] | None = None) -> Array:
    try:
        array = np.array(value, dtype=dtype)
    except ValueError:
        raise bad(tensor, _RAGGED.format(_glimpse(value))) from None
    if array.size != len(flat):  # numpy takes unequal lists as objects
        raise bad(tensor, _RAGGED.format(_glimpse(value)))
    return array


def _fits_numpy(flat: list[Any], kinds: set[type]) -> bool:
    """Numpy's own text gives every element the room of the longest, and makes text of the numbers beside it."""
    if str not in kinds and bytes not in kinds:
        return True
    return len(kinds) == 1 and max(map(len, flat)) * len(flat) <= _MOST_TEXT


def _guilty(kinds: set[type], dtype: np.dtype[Any]) -> type | None:
    """The type that a number's or truth value's array can't take; true and false are no numbers."""
    taken = {"b": (bool, int), "f": (float, int, type(None))}.get(dtype.kind, (int, float))
    return next((kind for kind in kinds if kind not in taken), None)


def _as_datatype(array: Array, value: Any, flat: list[Any], tensor: Tensor) -> Array:
    dtype = DTYPES[tensor.datatype]
    kind, target = array.dtype.kind, dtype.kind
    if array.dtype == dtype:
        return array
    if target == "f":
        return _narrowed(array if kind in "fiu" else _with_missing(array, value, tensor), dtype, value, tensor)
    if array.size == 0:
        return array.astype(dtype)
    if target in "iu":
        return _whole(array, dtype, value, flat, tensor)
    if kind in "iu" and bool(((array == 0) | (array == 1)).all()):
        return array.astype(dtype)
    raise bad(tensor, f"{datatype_of(array)}: {_glimpse(value)}")


def _narrowed(array: Array, dtype: np.dtype[Any], value: Any, tensor: Tensor) -> Array:
    limit = FINITE[dtype]
    if array.size <= _FEW:  # the usual request: plain Python is quicker here than the checks below
        numbers = array.ravel().tolist()
        if not numbers or (max(numbers) <= limit and min(numbers) >= -limit):
            return array.astype(dtype, copy=False)
    with np.errstate(over="ignore"):
        narrow: Array = array.astype(dtype, copy=False)
    if dtype.itemsize < 8 and np.isinf(narrow).any() and not np.isinf(array).any():
        raise bad(tensor, f"a number too large for {tensor.datatype}: {_glimpse(value)}")
    return narrow


def _with_missing(array: Array, value: Any, tensor: Tensor) -> Array:
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise bad(tensor, f"a number too large for {tensor.datatype}: {_glimpse(value)}") from None


def _whole(array: Array, dtype: np.dtype[Any], value: Any, flat: list[Any], tensor: Tensor) -> Array:
    if any(type(number) is float and not number.is_integer() for number in flat if array.dtype.kind not in "iu"):
        raise bad(tensor, f"numbers that are not whole: {_glimpse(value)}")
    info = np.iinfo(dtype)
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
    else:  # numpy has made floats of them, or nothing: beyond 2**53 those are not the same numbers
        exact = [int(number) for number in flat]
        low, high = min(exact), max(exact)
    if low < info.min or high > info.max:
        raise bad(tensor, f"a number outside {info.min}…{info.max}: {_glimpse(value)}")
    return array.astype(dtype) if array.dtype.kind in "iu" else np.array(exact, dtype=dtype).reshape(array.shape)


def _texts(value: Any, flat: list[Any], tensor: Tensor) -> Array:
    for item in flat:
        if not isinstance(item, str | bytes):
            raise bad(tensor, f"{_KINDS.get(type(item), type(item).__name__)}: {_glimpse(value)}")
    return _nested(value, flat, tensor, DTYPES["BYTES"])


def _glimpse(value: Any) -> str:
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
