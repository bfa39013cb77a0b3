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


def reshaped(array: Array, shape: list[int], tensor: Tensor) -> Array:
    """The array in a shape of as many elements, which numpy may still refuse: too many sizes, or too large ones."""
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as exc:
        raise bad(tensor, f"shape {str(shape)[:60]}, which can't be: {exc}") from None


def check_shape(array: Array, tensor: Tensor) -> None:
    if not fits(array.shape, tensor):
        raise bad(tensor, f"shape {list(array.shape)}")
