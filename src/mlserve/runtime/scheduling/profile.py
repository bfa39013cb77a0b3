"""Measure what a call costs at warm-up, and plan from it: batch size, worker slots, threads, what runs in the loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.scheduling.costs import Costs
from mlserve.runtime.scheduling.plan import Plan
from mlserve.runtime.scheduling.sweep import batch_for, clock_of, costs_by_rows, together
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec
from mlserve.runtime.tensors import Array

_INLINE_SECONDS = 250e-6
"""What the event loop may be held up for; health and other clients wait meanwhile."""
_MAKE_UP, _HAND_OVER = 20e-6, 100e-6
"""What it costs to make up a call in the event loop, and to have it made on another thread."""
_HEAVY = 500e-6
_LARGEST = 64
_SCALES, _CLEARLY = 0.75, 2.0
_ASYNC_SLOTS = 64
_WAITING_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to use the cores: so many calls at once, each with so many rows."""

    slots: int
    batch_rows: int
    rate: float
    costs: dict[int, float]


def plan(processor: Loaded, signature: Signature, spec: Spec, sample: dict[str, Array] | None) -> Plan:
    """Slots, batch size and what may run in the event loop."""
    metadata = signature.metadata
    slots = max(1, spec.worker_threads)
    if metadata.concurrent:
        slots = max(slots, _ASYNC_SLOTS)  # they wait more than they compute
    if not metadata.trusted or metadata.context or not sample:
        free = slots if not metadata.trusted else min(slots, _cores(spec))
        return _plan(spec, free, _given(spec, metadata.rows))
    shared = metadata.rows and _same_alone(processor, sample)
    form = _best_form(processor, sample, min(slots, _calls_at_once(processor, spec)), _LARGEST if shared else 1)
    rows = _given(spec, metadata.rows) if spec.batching else form.batch_rows
    return replace(_plan(spec, form.slots, rows), costs=Costs(form.costs, _INLINE_SECONDS), clock=clock_of(processor))


def _plan(spec: Spec, slots: int, rows: int) -> Plan:
    return Plan(
        slots=slots,
        waiting=spec.max_queue_size,
        batch_rows=rows,
        hold_seconds=spec.max_batch_timeout_ms / 1000 if spec.batching and rows > 1 else 0.0,
        wait_seconds=spec.max_queue_wait_ms / 1000 if spec.max_queue_wait_ms else math.inf,
        wait_bytes=int(spec.memory_mb * _WAITING_SHARE) << 20,
    )


def _given(spec: Spec, rows: bool) -> int:
    """The batch that the descriptor asks for."""
    return max(1, spec.max_batch_size) if spec.batching and rows else 1


def _cores(spec: Spec) -> int:
    return max(1, math.ceil(spec.cpu - 1e-9))  # more threads than cores only slow a computation down


def _calls_at_once(processor: Loaded, spec: Spec) -> int:
    """Each takes the threads that the processor says; a GPU computes one while the next is brought to it."""
    facts = processor.metadata().facts or {}
    if facts.get("device", "cpu") != "cpu":
        return 2
    threads: int = max((1, *facts.get("threads", {}).values()))
    return max(1, _cores(spec) // threads)


def _best_form(processor: Loaded, sample: dict[str, Array], slots: int, largest: int) -> _Form:
    """Several calls at once with a core each, unless they hinder one another and one call on all cores is faster.

    Only a heavy model can gain by either, so only that is measured both ways.
    """
    resize: Callable[[int], None] | None = getattr(processor, "resize", None)
    costs = costs_by_rows(processor, sample, largest)
    rows = batch_for(costs, _around)
    alone = _Form(slots, rows, rows / costs[rows], costs)
    on_cpu = (processor.metadata().facts or {}).get("device", "cpu") == "cpu"
    if slots == 1 or resize is None or not on_cpu or costs[1] < _HEAVY:
        return alone
    seconds = together(processor, sample, rows, slots)
    spread = _Form(slots, rows, slots * rows / seconds, _slowed(costs, seconds / costs[rows]))
    if spread.rate < _SCALES * slots * alone.rate:
        resize(slots)
        wide = costs_by_rows(processor, sample, largest)
        rows = batch_for(wide, _around)
        if rows / wide[rows] > _CLEARLY * spread.rate:
            return _Form(1, rows, rows / wide[rows], wide)
        resize(1)
    if (widen := getattr(processor, "widen", None)) is not None:
        widen(slots)  # where one client asks at a time, the other cores would be idle
    return spread


def _around(seconds: float) -> float:
    """What a call that takes so long costs besides."""
    return _HAND_OVER if seconds > _INLINE_SECONDS else _MAKE_UP


def _slowed(costs: dict[int, float], factor: float) -> dict[int, float]:
    return {rows: seconds * factor for rows, seconds in costs.items()}


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
