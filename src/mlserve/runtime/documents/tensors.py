"""Tensors as JSON Schema, and requests that work, made of the warm-up's inputs or of the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Model, jsonable
from mlserve.runtime.tensors import DTYPES, FINITE, Array, datatype_of

MOST_VALUES = 256
"""An example with more numbers than that explains nothing."""


def nested(tensor: Tensor, shape: tuple[int, ...] | None) -> dict[str, Any]:
    """A value of this shape as nested lists."""
    schema = _item(tensor.datatype)
    if shape is None:
        return {}
    for size in reversed(shape):
        schema = {"type": "array", "items": schema, **({"minItems": size, "maxItems": size} if size >= 0 else {})}
    return schema


def flat(tensor: Tensor) -> dict[str, Any]:
    """A value as one row-major list."""
    return {"type": "array", "items": _item(tensor.datatype)}


def one_or_many(tensor: Tensor) -> dict[str, Any]:
    """A batch, or one row of it without the first axis."""
    batch = nested(tensor, tensor.shape)
    if not tensor.shape or tensor.shape[0] not in (-1, 1):
        return batch
    row = nested(tensor, tensor.shape[1:])
    single = [_item(tensor.datatype)] if tensor.shape[1:] == (1,) else []
    return {"anyOf": [batch, row, *single]}


def as_text(tensor: Tensor) -> str:
    """The shape for people."""
    return "any shape" if tensor.shape is None else str(list(tensor.shape))


def examples(model: Model) -> dict[str, Array] | None:
    """Inputs that the model takes; ``None`` where they are too large to show or can't be guessed."""
    given = model.example
    required = model.signature.required
    if given is None and (not required or any(not t.datatype or t.shape is None for t in required)):
        return None
    made = {t.name: _made_up(t) for t in required} if given is None else {n: _first(a) for n, a in given.items()}
    return made if sum(array.size for array in made.values()) <= MOST_VALUES else None


def eval_example(inputs: Mapping[str, Array]) -> dict[str, Any]:
    return {name: jsonable(array) for name, array in inputs.items()}


def v2_example(inputs: Mapping[str, Array]) -> dict[str, Any]:
    listed = [
        {"name": name, "shape": list(array.shape), "datatype": datatype_of(array), "data": jsonable(array.ravel())}
        for name, array in inputs.items()
    ]
    return {"id": "1", "inputs": listed}


def v1_example(inputs: Mapping[str, Array]) -> dict[str, Any]:
    return {"inputs": eval_example(inputs)}


def _item(datatype: str) -> dict[str, Any]:
    dtype = DTYPES.get(datatype)
    if dtype is None:
        return {}
    if dtype in FINITE:
        return {"type": ["number", "null"], "minimum": -FINITE[dtype], "maximum": FINITE[dtype]}
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return {"type": "integer", "minimum": int(info.min), "maximum": int(info.max)}
    return {"type": "boolean" if dtype.kind == "b" else "string"}


def _made_up(tensor: Tensor) -> Array:
    shape = [max(size, 1) for size in tensor.shape or ()]
    if prod(shape) > MOST_VALUES:
        return np.broadcast_to(np.zeros((), dtype=DTYPES[tensor.datatype]), shape)
    return np.full(shape, "text" if tensor.datatype == "BYTES" else 0, dtype=DTYPES[tensor.datatype])


def _first(array: Array) -> Array:
    return array[:1] if array.ndim else array
