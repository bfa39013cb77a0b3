"""Nested JSON lists as an array of the datatype that an input wants; every complaint names the input."""

from __future__ import annotations

import reprlib
from itertools import chain
from typing import Any

import numpy as np

from mlserve.runtime.numeric_json import Numbers
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, FINITE, Array, BadTensor, bad

_FEW = 32
DEEPEST = 32
"""The dimensions that every numpy can walk."""
_MOST_TEXT = 4 << 20
"""Characters that numpy's own text may take."""
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 4
_KINDS = {
    str: "text", bytes: "bytes", bool: "true/false", type(None): "null", dict: "an object", int: "a whole number",
    float: "a number",
}  # fmt: skip


def from_json(value: Any, tensor: Tensor) -> Array:
    """Nested lists as an array of the tensor's datatype, shape not yet checked; ``null``: a missing number or text."""
    if type(value) is Numbers:
        quick = value.array(DTYPES[tensor.datatype] if tensor.datatype else None)
        if quick is not None:
            return quick
        value = value.plain()
    flat, kinds, shape = _flattened(value, tensor)
    if not tensor.datatype:
        dtype = None if _fits_numpy(flat, kinds) else DTYPES["BYTES"]
        return np.array(flat, dtype=dtype).reshape(shape)
    dtype = DTYPES[tensor.datatype]
    taken = _TAKEN[dtype.kind]
    if tensor.missing and type(None) in kinds and dtype.kind == "O":
        flat, kinds = ["" if text is None else text for text in flat], kinds - {type(None)}
    if not kinds <= taken:
        guilty = next(kind for kind in kinds if kind not in taken)
        raise bad(tensor, f"{_KINDS.get(guilty, guilty.__name__)}: {_glimpse(value)}")
    return _MAKERS[dtype.kind](flat, kinds, dtype, tensor).reshape(shape)


def _flattened(value: Any, tensor: Tensor) -> tuple[list[Any], set[type], tuple[int, ...]]:
    """The single values inside nested lists, their types and the shape, without numpy, which makes text of anything."""
    if type(value) is not list:
        return [value], {type(value)}, ()
    flat: list[Any] = value
    shape: tuple[int, ...] = (len(flat),)
    for _ in range(DEEPEST):
        kinds = set(map(type, flat))
        if list not in kinds:
            return flat, kinds, shape
        lengths = set(map(len, flat)) if len(kinds) == 1 else ()
        if len(lengths) != 1:
            raise bad(tensor, f"lists of unequal length, or mixed with single values: {_glimpse(value)}")
        flat, shape = list(chain.from_iterable(flat)), (*shape, *lengths)
    raise bad(tensor, f"lists inside lists, more than {DEEPEST} deep")


def _fits_numpy(flat: list[Any], kinds: set[type]) -> bool:
    """Numpy's own text gives every element the room of the longest, and makes text of the numbers beside it."""
    if str not in kinds and bytes not in kinds:
        return True
    return len(kinds) == 1 and max(map(len, flat)) * len(flat) <= _MOST_TEXT


def _numbers(flat: list[Any], kinds: set[type], dtype: np.dtype[Any], tensor: Tensor) -> Array:
    limit = FINITE[dtype]
    if len(flat) <= _FEW and type(None) not in kinds and (not flat or (max(flat) <= limit and min(flat) >= -limit)):
        return np.array(flat, dtype=dtype)  # the usual request: plain Python is quicker here than the checks below
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype=dtype)
    except OverflowError:
        raise _too_large(flat, tensor) from None
    if np.isinf(array).any() and not np.isinf(np.array(flat, dtype=np.float64)).any():
        raise _too_large(flat, tensor)
    return array


def _too_large(flat: list[Any], tensor: Tensor) -> BadTensor:
    return bad(tensor, f"a number too large for {tensor.datatype}: {_glimpse(flat)}")


def _whole(flat: list[Any], kinds: set[type], dtype: np.dtype[Any], tensor: Tensor) -> Array:
    if float in kinds:  # as whole numbers of their own: a float beside them would round those beyond 2**53
        if any(type(number) is float and not number.is_integer() for number in flat):
            raise bad(tensor, f"numbers that are not whole: {_glimpse(flat)}")
        flat = [int(number) for number in flat]
    info = np.iinfo(dtype)
    if flat and (min(flat) < info.min or max(flat) > info.max):
        raise bad(tensor, f"a number outside {info.min}…{info.max}: {_glimpse(flat)}")
    return np.array(flat, dtype=dtype)


def _truths(flat: list[Any], kinds: set[type], dtype: np.dtype[Any], tensor: Tensor) -> Array:
    if kinds - {bool} and not all(item in (0, 1) for item in flat):
        raise bad(tensor, f"whole numbers beside 0 and 1: {_glimpse(flat)}")
    return np.array(flat, dtype=dtype)


def _objects(flat: list[Any], kinds: set[type], dtype: np.dtype[Any], tensor: Tensor) -> Array:
    return np.array(flat, dtype=dtype)


_TAKEN: dict[str, frozenset[type]] = {
    "f": frozenset((float, int, type(None))),
    "i": frozenset((int, float)),
    "u": frozenset((int, float)),
    "b": frozenset((bool, int)),
    "O": frozenset((str, bytes)),
}
"""By the kind of a dtype, what may stand for its values; true and false are no numbers."""
_MAKERS = {"f": _numbers, "i": _whole, "u": _whole, "b": _truths, "O": _objects}


def _glimpse(value: Any) -> str:
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
