"""Tensors as raw bytes: little-endian, row-major, BYTES with a length before each element."""

from __future__ import annotations

import struct
from math import prod
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, Array, bad, reshaped

_LONGEST = 20
"""Digits of a length that can be meant."""
_ELEMENT, _SOMETIMES = 90, 1 << 16
"""Bytes that a short text takes, and after how many of them it is looked what they take together."""


def header_length(value: bytes, body: bytes) -> int:
    """How many bytes of the body are its JSON header."""
    if not value.isdigit() or len(value) > _LONGEST or int(value) > len(body):
        raise InvalidInput(
            f"Inference-Header-Content-Length is {value[:40].decode('latin-1')!r}, and the body has {len(body)} bytes"
        )
    return int(value)


def read(raw: bytes | memoryview, size: Any, tensor: Tensor, shape: list[int]) -> Array:
    """The tensor in ``raw``, a view where the datatype allows it; ``size`` is what the request said."""
    if type(size) is not int or size < 0 or len(raw) != size:
        raise bad(tensor, f"binary_data_size {size!r} with {len(raw)} bytes of it in the body")
    if tensor.datatype == "BYTES":
        texts = _texts(raw, tensor)
        if len(texts) != prod(shape):
            raise bad(tensor, f"{len(texts)} elements for the shape {shape}")
        return reshaped(texts, shape, tensor)
    dtype = DTYPES[tensor.datatype].newbyteorder("<")
    if size != prod(shape) * dtype.itemsize:
        raise bad(tensor, f"{size} bytes, where {tensor.datatype} of shape {shape} has {prod(shape) * dtype.itemsize}")
    return reshaped(np.frombuffer(raw, dtype=dtype), shape, tensor)


def read_raw(body: bytes, tensor: Tensor) -> Array:
    """A body that is one whole tensor: one open size is computed from its length; the batch is 1."""
    want = tensor.shape or ()
    if tensor.datatype == "BYTES":
        array = np.empty(1, dtype=np.object_)
        array[0] = text(body)
        return array.reshape((1,) * len(want))
    dtype = DTYPES[tensor.datatype]
    shape = [1, *want[1:]] if want and want[0] == -1 and -1 in want[1:] else list(want)
    if shape.count(-1) > 1:
        raise _no_tensor(body, tensor, "a raw body, which leaves more than one size open")
    known = prod(size for size in shape if size != -1) * dtype.itemsize
    if not known or len(body) % known or (-1 not in shape and len(body) != known):
        raise _no_tensor(body, tensor, f"{len(body)} raw bytes")
    return np.frombuffer(body, dtype=dtype).reshape(shape)


def _no_tensor(body: bytes, tensor: Tensor, what: str) -> InvalidInput:
    """Why bytes are not the tensor: where it holds pictures, they may be one of a kind that is not read."""
    from mlserve.runtime.media.layout import layout_of  # few bodies are refused
    from mlserve.runtime.media.signatures import refusal

    picture = refusal(body) if layout_of(tensor, {}) is not None else None
    return picture or bad(tensor, what)


def write(array: Array) -> bytes:
    """An output's bytes."""
    if array.dtype.kind not in "OUS":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elements = (item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist())
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def _texts(raw: bytes | memoryview, tensor: Tensor) -> Array:
    found: list[str | bytes] = []
    start, end = 0, len(raw)
    while start < end:
        if not len(found) % _SOMETIMES:
            ALLOWANCE.check(start + len(found) * _ELEMENT, f'input "{tensor.name}" of more than {len(found)} texts')
        if start + 4 > end or (stop := start + 4 + int.from_bytes(raw[start : start + 4], "little")) > end:
            raise bad(tensor, f"an element that ends after its {end} bytes")
        found.append(text(bytes(raw[start + 4 : stop])))
        start = stop
    array = np.empty(len(found), dtype=np.object_)
    array[:] = found
    return array


def text(value: bytes) -> str | bytes:
    """Text where it is text: models want strings; an image stays bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
