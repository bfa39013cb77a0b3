"""The tensors in EAS's protobuf bodies: flat values in the field of their type, beside a shape."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary
from mlserve.runtime.tensors import DTYPES, Array, bad, check_shape, datatype_of, reshaped

_KINDS = {
    "FP32": (1, "float_val"), "FP64": (2, "double_val"), "INT32": (3, "int_val"), "UINT8": (4, "int_val"),
    "INT16": (5, "int_val"), "INT8": (6, "int_val"), "BYTES": (7, "string_val"), "INT64": (9, "int64_val"),
    "BOOL": (10, "bool_val"), "UINT16": (17, "int_val"),
}  # fmt: skip
"""The number that EAS has for a datatype, and the field of its values."""
_DATATYPES = {number: datatype for datatype, (number, _) in _KINDS.items()}
_WIDER = {"FP16": "FP32", "UINT32": "INT64", "UINT64": "INT64"}
"""What EAS has no field for goes in a type that holds it."""


def known(given: Any) -> bool:
    """It says of which type it is, and has as many values as its shape: no other bytes do that by chance."""
    datatype = _DATATYPES.get(given.dtype)
    if datatype is None:
        return False
    shape = given.array_shape.dim
    return min(shape, default=0) >= 0 and len(getattr(given, _KINDS[datatype][1])) == prod(shape)


def read(given: Any, tensor: Tensor) -> Array:
    """The array for an input; raises BadTensor."""
    datatype = _DATATYPES.get(given.dtype)
    if datatype is None:
        raise bad(tensor, f"data type {given.dtype}, which is not taken here")
    if tensor.datatype and tensor.datatype != datatype:
        raise bad(tensor, datatype)
    values, shape = getattr(given, _KINDS[datatype][1]), list(given.array_shape.dim)
    if min(shape, default=0) < 0:
        raise bad(tensor, f"shape {shape}, which is no list of sizes")
    if len(values) != prod(shape):
        raise bad(tensor, f"{len(values)} values in {_KINDS[datatype][1]} for the shape {shape}")
    array = reshaped(_filled(values, datatype, tensor), shape, tensor)
    check_shape(array, tensor)
    return array


def write(array: Array, into: Any) -> None:
    """An output; raises InvalidInput for a number that no field holds."""
    datatype = datatype_of(array)
    if datatype in _WIDER:
        if array.size and array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
            raise InvalidInput("an output has a whole number beyond 2^63, which EAS's protobuf has no field for")
        datatype = _WIDER[datatype]
        array = array.astype(DTYPES[datatype])
    number, field = _KINDS[datatype]
    into.dtype = number
    into.array_shape.dim.extend(array.shape)
    values = array.ravel().tolist()
    if datatype == "BYTES":
        values = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    getattr(into, field).extend(values)


def _filled(values: Any, datatype: str, tensor: Tensor) -> Array:
    if datatype == "BYTES":
        texts = np.empty(len(values), dtype=np.object_)
        texts[:] = [binary.text(value) for value in values]
        return texts
    dtype = DTYPES[datatype]
    if dtype.kind not in "iu" or dtype.itemsize >= 4:
        return np.fromiter(values, dtype, len(values))
    whole, info = np.fromiter(values, np.int32, len(values)), np.iinfo(dtype)
    if whole.size and (whole.min() < info.min or whole.max() > info.max):
        raise bad(tensor, f"a number outside {info.min}…{info.max}")
    return whole.astype(dtype)
