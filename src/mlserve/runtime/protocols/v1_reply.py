"""TensorFlow Serving's answer: rows or columns; an output whose name ends in ``_bytes`` is base64.

NaN and Infinity are written as ``null``: most JSON readers refuse the bare words that TensorFlow Serving writes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import JSON, Reply, dump_json, jsonable
from mlserve.runtime.tensors import Array


def encode_rows(outputs: Mapping[str, Array]) -> Reply:
    """``predictions``."""
    if len(outputs) == 1:
        name, array = next(iter(outputs.items()))
        return dump_json({"predictions": _value(name, array)}), JSON, b""
    if any(not array.ndim for array in outputs.values()) or len({len(array) for array in outputs.values()}) > 1:
        return dump_json({"predictions": {name: _value(name, array) for name, array in outputs.items()}}), JSON, b""
    columns = {name: _column(name, array) for name, array in outputs.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return dump_json({"predictions": rows}), JSON, b""


def encode_columns(outputs: Mapping[str, Array]) -> Reply:
    """``outputs``."""
    values = {name: _value(name, array) for name, array in outputs.items()}
    return dump_json({"outputs": next(iter(values.values())) if len(values) == 1 else values}), JSON, b""


def encode_classes(declared: Mapping[str, Tensor], outputs: Mapping[str, Array]) -> Reply:
    """Label and score of each class, by row. Both spellings of the one key: documentation and server differ."""
    name, scores = _scores(outputs)
    tensor = declared.get(name)
    labels = tensor.labels if tensor is not None and tensor.labels else tuple(map(str, range(scores.shape[1])))
    rows = [[[label, score] for label, score in zip(labels, row, strict=False)] for row in scores]
    return dump_json({"result": rows, "results": rows}), JSON, b""


def encode_values(outputs: Mapping[str, Array]) -> Reply:
    """One number for each row."""
    for array in outputs.values():
        if array.dtype.kind in "fiu" and array.ndim and array.size == len(array):
            values = array.reshape(-1)
            return dump_json({"result": values, "results": values}), JSON, b""
    raise InvalidInput("no output has one number for each row; ask with :predict")


def _scores(outputs: Mapping[str, Array]) -> tuple[str, Array]:
    for name, array in outputs.items():
        if array.dtype.kind == "f" and array.ndim == 2:
            return name, array
    raise InvalidInput("no output has a score for each class; ask with :predict")


def _column(name: str, array: Array) -> list[Any]:
    value = _value(name, array)
    return list(value) if isinstance(value, np.ndarray) else value


def _value(name: str, array: Array) -> Any:
    if name.endswith("_bytes") and array.dtype.kind in "OUS":
        return _base64(array.tolist())
    return jsonable(array)


def _base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_base64(item) for item in value]
    return {"b64": base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()}
