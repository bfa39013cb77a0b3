"""Draw inputs to ask both models with: ordinary rows, the values where a model decides, missing ones, one row, none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlserve.conversion.base import Hint
from mlserve.runtime.processors.base import Arrays, Metadata, Tensor
from mlserve.runtime.tensors import DTYPES

ROWS = 200
_LEFT_OUT = 10
"""Optional inputs that are left out once each. Not whole numbers: Java's smallest one is PMML4S's missing value."""
_HUGE = (1e30, -1e30, 1e16, -1e12, 2.0**24 + 1, 1e7)
"""Where single precision has no digits left, and where a square of it has no number."""
_LARGEST = 4_000_000
"""Values in one batch: images come in fewer rows."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs for one call; ``kind`` says what is special about them."""

    kind: str
    inputs: Arrays
    loose: bool = False
    """Far from what the model was trained on: only a real disagreement counts."""


def draw(
    metadata: Metadata,
    hints: Mapping[str, tuple[Hint, ...]],
    *,
    known: Arrays | None = None,
    tabular: bool = True,
    huge: bool = False,
    seed: int = 20,
) -> Iterator[Batch]:
    """The batches for a model, the same ones for the same model.

    ``known``: rows that the model has seen; ``tabular``: missing and far numbers too, ``huge``: numbers beyond those.
    """
    rng = np.random.default_rng(seed)
    rows = _rows(metadata)
    tensors = [tensor for tensor in metadata.inputs if tensor.datatype and tensor.shape is not None]

    def batch(kind: str, count: int, column: Any, *, loose: bool = False) -> Batch:
        inputs = {tensor.name: _array(tensor, hints.get(tensor.name), count, rng, column) for tensor in tensors}
        return Batch(kind, inputs, loose)

    yield batch("ordinary", rows, _ordinary)
    if any(tensor.datatype.startswith("FP") and len(tensor.shape or ()) > 3 for tensor in tensors):
        yield batch("pictures of 0 to 255", rows, _bright, loose=True)
    if not metadata.rows:
        return
    yield batch("one row", 1, _ordinary)
    for tensor in _dispensable(tensors):
        whole = batch("left out", 5, _ordinary)
        yield Batch(whole.kind, {name: array for name, array in whole.inputs.items() if name != tensor.name})
    yield batch("no rows", 0, _ordinary)
    if any(hint.values for found in hints.values() for hint in found):
        yield batch("boundary", rows, _boundary)
    if known:
        yield from _seen(known, rows, rng)
    if tabular:
        yield from _missing_texts_and_numbers(tensors, batch, min(rows, 50), rng)
        yield batch("whole numbers", rows, _whole)
        yield batch("far", min(rows, 50), _far)
        yield batch("zeros", min(rows, 50), _zeros)
        if huge:
            yield batch("huge", min(rows, 50), _huge)


def _missing_texts_and_numbers(
    tensors: Sequence[Tensor], batch: Callable[[str, int, Any], Batch], rows: int, rng: np.random.Generator
) -> Iterator[Batch]:
    if any(tensor.datatype.startswith("FP") and len(tensor.shape or ()) <= 2 for tensor in tensors):
        yield batch("missing", rows, _missing)
    for tensor in [tensor for tensor in tensors if tensor.missing][:_LEFT_OUT]:  # some may be refused, others not
        whole = batch("missing texts", rows, _ordinary)
        words = whole.inputs[tensor.name]
        empty = np.where(rng.random(words.shape) < 0.3, "", words)
        yield Batch(whole.kind, {**whole.inputs, tensor.name: empty})


def _dispensable(tensors: list[Tensor]) -> list[Tensor]:
    """Inputs that may be left out while others stay."""
    if len(tensors) == 1:
        return []
    return [tensor for tensor in tensors if tensor.optional and tensor.datatype != "INT64"][:_LEFT_OUT]


def _seen(known: Arrays, rows: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Rows as they were, and points as far from one of them as from another."""
    count = len(next(iter(known.values())))
    one, other = rng.integers(0, count, rows), rng.integers(0, count, rows)
    yield Batch("known rows", {name: values[one] for name, values in known.items()})
    yield Batch("between known rows", {name: (values[one] + values[other]) / 2 for name, values in known.items()})


def _rows(metadata: Metadata) -> int:
    values = sum(int(np.prod([max(size, 1) for size in (tensor.shape or ())[1:]])) for tensor in metadata.inputs)
    return max(2, min(ROWS, _LARGEST // max(values, 1) // 4))


def _array(tensor: Tensor, hints: tuple[Hint, ...] | None, rows: int, rng: np.random.Generator, column: Any) -> Any:
    sizes = [size if size > 0 else 1 if axis > 1 else 5 for axis, size in enumerate(tensor.shape or ())]
    if tensor.shape and tensor.shape[0] <= 0:
        sizes[0] = rows
    dtype = DTYPES[tensor.datatype]
    hints = hints or (Hint(),)
    if len(hints) == 1 or not sizes or sizes[-1] != len(hints):
        return _typed(column(tensor, hints[0], tuple(sizes), rng), dtype)
    parts = [column(tensor, hint, (*sizes[:-1], 1), rng) for hint in hints]
    return _typed(np.concatenate(parts, axis=-1), dtype)


def _typed(values: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(values, limits.min, limits.max)
    return np.asarray(values).astype(dtype)


def _ordinary(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    if tensor.datatype == "BYTES":
        return rng.choice(np.array(hint.values or ("",), dtype=np.object_), shape)
    if tensor.datatype == "BOOL":
        return rng.random(shape) < 0.5
    if hint.whole is not None:
        return rng.integers(0, hint.whole + 1, shape)
    if not tensor.datatype.startswith("FP"):
        return rng.integers(0, 256 if len(shape) > 3 or tensor.datatype == "UINT8" else 10, shape)
    if len(shape) > 3:  # pictures, as most networks are trained on them
        return rng.random(shape)
    return hint.center + hint.spread * rng.normal(size=shape) * 1.5


def _bright(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Pictures that nobody has scaled."""
    values = _ordinary(tensor, hint, shape, rng)
    return values * 255 if tensor.datatype.startswith("FP") and len(shape) > 3 and hint.whole is None else values


def _boundary(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Half of them exactly where a model decides, the rest a hair beside it."""
    if tensor.datatype == "BYTES" or not tensor.datatype.startswith("FP") or not hint.values or hint.whole is not None:
        return _ordinary(tensor, hint, shape, rng)
    chosen = rng.choice(np.array(hint.values, dtype=np.float64), shape)
    beside = rng.choice([0.0, 0.0, 1e-5, -1e-5, 1e-9, -1e-9], shape)
    return chosen + beside * np.maximum(np.abs(chosen), 1e-3)


def _missing(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    values = _ordinary(tensor, hint, shape, rng)
    if tensor.datatype.startswith("FP") and hint.whole is None:
        values = np.where(rng.random(shape) < 0.3, np.nan, values)
    return values


def _whole(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Numbers as they are counted: many rows share the value at which a model divides them."""
    values = _ordinary(tensor, hint, shape, rng)
    return np.round(values) if tensor.datatype.startswith("FP") else values


def _far(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Values far from what the model has seen, and a word that it has not."""
    if tensor.datatype == "BYTES":
        return rng.choice(np.array([*hint.values, "a word never seen"], dtype=np.object_), shape)
    if not tensor.datatype.startswith("FP") or hint.whole is not None:
        return _ordinary(tensor, hint, shape, rng)
    return hint.center + hint.spread * rng.normal(size=shape) * 30


def _zeros(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Half of the numbers are 0, and the whole first row: what was multiplied by them no longer decides."""
    values = _ordinary(tensor, hint, shape, rng)
    if not tensor.datatype.startswith("FP") or hint.whole is not None:
        return values
    values = np.where(rng.random(shape) < 0.5, 0.0, values)
    values[:1] = 0.0
    return values


def _huge(tensor: Tensor, hint: Hint, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    values = _ordinary(tensor, hint, shape, rng)
    if not tensor.datatype.startswith("FP") or hint.whole is not None:
        return values
    return np.where(rng.random(shape) < 0.3, rng.choice(_HUGE, shape), values)
