"""Datatypes and the check of one tensor against what the model declares; every complaint names the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor

Array = np.ndarray[Any, Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
FINITE = {DTYPES[name]: float(np.finfo(DTYPES[name]).max) for name in ("FP16", "FP32", "FP64")}
_FEW = 32
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
TYPES = {  # the words of /describe
    "FP32": "float",
    "FP64": "double",
    "INT32": "integer",
    "INT64": "long",
    "BYTES": "string",
    "BOOL": "boolean",
    "": "any",
}
_SPOKEN = {word: datatype for datatype, word in TYPES.items()} | {
    "int": "INT64", "bool": "BOOL", "str": "BYTES", "bytes": "BYTES", "object": "", "float16": "FP16",
    "float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64",
}  # fmt: skip


class BadTensor(InvalidInput):
    """An input is not what the model takes: ``name``, what it ``wanted``, what ``came``."""

    code = "bad-tensor"

    def __init__(self, message: str, *, name: str, wanted: str, came: str) -> None:
        super().__init__(message, details=[{"input": name, "wanted": wanted, "came": came}])


def datatype_of(array: Array) -> str:
    """The protocol's word for an array's dtype; text and anything else is BYTES."""
    return DATATYPES.get(array.dtype, "BYTES")


def type_word(datatype: str) -> str:
    """The word of /describe for a datatype."""
    return TYPES.get(datatype, datatype.lower())


def datatype_named(word: str) -> str:
    """The datatype that a user's word means: the protocol's, /describe's or numpy's."""
    known = word if word in DTYPES else _SPOKEN.get(word, word.upper())
    if known and known not in DTYPES:
        raise ValueError(f"type {word!r} is not one of {', '.join((*DTYPES, *filter(None, _SPOKEN)))}")
    return known


def wanted(tensor: Tensor) -> str:
    """What an input takes, as one phrase."""
    shape = "any shape" if tensor.shape is None else f"shape {list(tensor.shape)}"
    return f"{tensor.datatype or 'any datatype'}, {shape}"


def bad(tensor: Tensor, came: str) -> BadTensor:
    """The complaint about one input."""
    want = wanted(tensor)
    return BadTensor(f'input "{tensor.name}" wants {want}; came {came}', name=tensor.name, wanted=want, came=came)


def fits(shape: tuple[int, ...], tensor: Tensor) -> bool:
    """A shape is one that the tensor declares."""
    want = tensor.shape
    if want is None or shape == want:
        return True
    if len(shape) != len(want):
        return False
    for size, wish in zip(shape, want, strict=True):  # noqa: SIM110 - quicker, and run for every request
        if wish != size and wish != -1:
            return False
    return True


def check_shape(array: Array, tensor: Tensor) -> None:
    if not fits(array.shape, tensor):
        raise bad(tensor, f"shape {list(array.shape)}")


def from_json(value: Any, tensor: Tensor) -> Array:
    """Nested lists as an array of the tensor's datatype, shape not yet checked; ``null`` is a missing number (NaN)."""
    if tensor.datatype == "BYTES":
        return _texts(value, tensor)
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        raise bad(tensor, f"lists of unequal length, or mixed with single values: {_glimpse(value)}") from None
    if not tensor.datatype:
        return array
    return _as_datatype(array, value, tensor)


def _as_datatype(array: Array, value: Any, tensor: Tensor) -> Array:
    dtype = DTYPES[tensor.datatype]
    kind, target = array.dtype.kind, dtype.kind
    if array.dtype == dtype:
        return array
    if target == "f" and kind in "fiu":
        return _narrowed(array, dtype, value, tensor)
    if array.size == 0:
        return array.astype(dtype)
    if target == "f" and kind == "O":
        return _with_missing(array, dtype, value, tensor)
    if target in "iu" and kind in "iuf":
        return _whole(array, dtype, value, tensor)
    if target == "b" and kind in "iu" and bool(((array == 0) | (array == 1)).all()):
        return array.astype(dtype)
    raise bad(tensor, f"{_came(array)}: {_glimpse(value)}")


def _narrowed(array: Array, dtype: np.dtype[Any], value: Any, tensor: Tensor) -> Array:
    limit = FINITE[dtype]
    if array.size <= _FEW:  # the usual request: plain Python is quicker here than the checks below
        numbers = array.ravel().tolist()
        if not numbers or (max(numbers) <= limit and min(numbers) >= -limit):
            return array.astype(dtype)
    with np.errstate(over="ignore"):
        narrow: Array = array.astype(dtype)
    if dtype.itemsize < 8 and np.isinf(narrow).any() and not np.isinf(array).any():
        raise bad(tensor, f"a number too large for {tensor.datatype}: {_glimpse(value)}")
    return narrow


def _with_missing(array: Array, dtype: np.dtype[Any], value: Any, tensor: Tensor) -> Array:
    for item in array.flat:
        if item is not None and (isinstance(item, bool) or not isinstance(item, int | float)):
            raise bad(tensor, f"{_kind(item)}: {_glimpse(value)}")
    return array.astype(dtype)


def _whole(array: Array, dtype: np.dtype[Any], value: Any, tensor: Tensor) -> Array:
    if array.dtype.kind == "f" and not bool((np.isfinite(array) & (array == np.floor(array))).all()):
        raise bad(tensor, f"numbers that are not whole: {_glimpse(value)}")
    info = np.iinfo(dtype)
    if array.min() < info.min or array.max() > info.max:
        raise bad(tensor, f"a number outside {info.min}…{info.max}: {_glimpse(value)}")
    return array.astype(dtype)


def _texts(value: Any, tensor: Tensor) -> Array:
    array = np.array(value, dtype=np.object_) if not isinstance(value, str) else _scalar(value)
    for item in array.flat:
        if not isinstance(item, str | bytes):
            raise bad(tensor, f"{_kind(item)}: {_glimpse(value)}")
    return array


def _scalar(value: Any) -> Array:
    array = np.empty((), dtype=np.object_)
    array[()] = value
    return array


def _came(array: Array) -> str:
    if array.dtype.kind in "UO" and array.size:
        return _kind(array.flat[0].item() if hasattr(array.flat[0], "item") else array.flat[0])
    return datatype_of(array)


def _kind(item: Any) -> str:
    words = {
        str: "text",
        bool: "true/false",
        type(None): "null",
        dict: "an object",
        list: "a list",
        int: "a whole number",
    }
    return words.get(type(item), type(item).__name__)


def _glimpse(value: Any) -> str:
    text = repr(value) if not isinstance(value, list | dict) else repr(value)[:200]
    return text if len(text) <= 60 else text[:57] + "…"
