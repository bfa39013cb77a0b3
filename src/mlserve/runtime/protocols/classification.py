"""The classification extension: an output's best classes as ``value:index:label``."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.tensors import Array, datatype_of


def class_count(name: str, value: Any) -> int:
    """The output parameter ``classification``."""
    if type(value) is int and 0 < value < 2**31:
        return value
    raise InvalidInput(f'output "{name}": "classification" wants how many classes, at least 1; came {str(value)[:40]}')


def classified(name: str, scores: Array, count: int, labels: tuple[str, ...] | None) -> Array:
    """BYTES of the best ``count`` classes along the last axis, the highest first, ties in their order."""
    if scores.dtype.kind not in "fiu" or scores.ndim == 0:
        raise InvalidInput(
            f'output "{name}" is {datatype_of(scores)} of shape {list(scores.shape)}; '
            "classification wants numbers along an axis of classes"
        )
    count = min(count, scores.shape[-1])
    best = np.argsort(-_ordered(scores), axis=-1, kind="stable")[..., :count]
    values = np.take_along_axis(scores, best, axis=-1)
    words = [_word(value, index, labels) for value, index in zip(values.flat, best.flat, strict=True)]
    return np.array(words, dtype=np.object_).reshape(best.shape)


def _ordered(scores: Array) -> Array:
    """Scores whose negatives sort as they should: unsigned and smallest numbers can't be negated, NaN comes last."""
    if scores.dtype.kind == "f":
        return np.where(np.isnan(scores), -np.inf, scores)
    places: Array = np.unique(scores, return_inverse=True)[1].reshape(scores.shape).astype(np.int64)
    return places


def _word(value: Any, index: Any, labels: tuple[str, ...] | None) -> str:
    number = f"{value:f}" if isinstance(value, np.floating) else str(value)
    return f"{number}:{index}:{labels[index]}" if labels and index < len(labels) else f"{number}:{index}"
