"""Measure what a call costs at warm-up, and plan the queue from it."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import numpy as np

from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.queue import Plan
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec
from mlserve.runtime.tensors import Array

_INLINE_SECONDS = 250e-6
_BUDGET_SECONDS = 0.3
_LARGEST = 64


def plan(processor: Loaded, signature: Signature, spec: Spec, sample: dict[str, Array] | None) -> Plan:
    """Slots, batch size and what may run in the event loop."""
    metadata = signature.metadata
    slots = max(1, spec.worker_threads)
    if metadata.trusted:
        slots = min(slots, max(1, math.ceil(spec.cpu)))  # more threads than cores only slow a computation down
    hold = spec.max_batch_timeout_ms / 1000 if spec.batching else 0.0
    if not metadata.rows or (not metadata.trusted and not spec.batching):
        costs = _costs(processor, sample, 1) if metadata.trusted and sample else {}
        return Plan(slots, spec.max_queue_size, inline_rows=_inline(costs))
    costs = (
        _costs(processor, sample, _LARGEST) if metadata.trusted and sample and _same_alone(processor, sample) else {}
    )
    if spec.batching:
        return Plan(slots, spec.max_queue_size, max(1, spec.max_batch_size), _inline(costs), hold)
    return Plan(slots, spec.max_queue_size, _knee(costs), _inline(costs))


def _costs(processor: Loaded, sample: dict[str, Array], largest: int) -> dict[int, float]:
    """Seconds a call takes, by its rows: the better of a few tries, within a budget."""
    costs: dict[int, float] = {}
    end = perf_counter() + _BUDGET_SECONDS
    rows = 1
    while rows <= largest and perf_counter() < end:
        inputs = sample if rows == 1 else {name: np.repeat(array[:1], rows, axis=0) for name, array in sample.items()}
        costs[rows] = min(_timed(processor, inputs) for _ in range(3))
        rows *= 2
    return costs


def _timed(processor: Loaded, inputs: Any) -> float:
    begun = perf_counter()
    processor.predict(inputs)
    return perf_counter() - begun


def _inline(costs: dict[int, float]) -> int:
    return max((rows for rows, seconds in costs.items() if seconds <= _INLINE_SECONDS), default=0)


def _knee(costs: dict[int, float]) -> int:
    """The smallest batch that is within 5 % of the best rate: beyond it only latency grows."""
    if not costs:
        return 1
    best = max(rows / seconds for rows, seconds in costs.items())
    return min(rows for rows, seconds in costs.items() if rows / seconds >= 0.95 * best)


def _same_alone(processor: Loaded, sample: dict[str, Array]) -> bool:
    """A row gets the same answer alone and beside other rows: only then may requests share a call."""
    one = {name: array[:1] for name, array in sample.items()}
    if any(len(array) == 0 for array in one.values()):
        return False
    other = {name: _changed(array) for name, array in one.items()}
    try:
        alone = processor.predict(one)
        together = processor.predict({name: np.concatenate([one[name], other[name]]) for name in one})
    except Exception:  # noqa: BLE001 - a model that can't take two rows isn't batched, that's all
        return False
    return all(len(together[name]) == 2 and _close(together[name][:1], alone[name]) for name in alone)


def _changed(array: Array) -> Array:
    return array + np.ones((), dtype=array.dtype) if array.dtype.kind in "fiu" else array


def _close(left: Array, right: Array) -> bool:
    if left.dtype.kind in "fc":
        return bool(np.allclose(left, right, rtol=1e-3, atol=1e-5, equal_nan=True))
    return bool(np.array_equal(left, right))
