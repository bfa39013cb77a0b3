"""Measure what a call costs at warm-up, and plan from it: batch size, worker slots, threads, what runs in the loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Thread
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from mlserve.runtime.costs import Costs
from mlserve.runtime.plan import Plan
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec
from mlserve.runtime.tensors import Array

_INLINE_SECONDS = 250e-6
"""What the event loop may be held up for; health and other clients wait meanwhile."""
_MAKE_UP, _HAND_OVER = 20e-6, 100e-6
"""What it costs to make up a call in the event loop, and to have it made on another thread."""
_LIGHT = 1e-3
_LIGHT_BUDGET, _HEAVY_BUDGET = 0.1, 0.3
_LARGEST = 64
_TRIES = 3
_KNEE = 0.95
_SCALES, _CLEARLY = 0.75, 1.25
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
    return replace(_plan(spec, form.slots, rows), costs=Costs(form.costs, _INLINE_SECONDS), clock=_clock(processor))


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
    costs = _costs(processor, sample, largest)
    rows = _knee(costs)
    alone = _Form(slots, rows, rows / costs[rows], costs)
    on_cpu = (processor.metadata().facts or {}).get("device", "cpu") == "cpu"
    if slots == 1 or resize is None or not on_cpu or costs[rows] < _LIGHT:
        return alone
    seconds = _together(processor, _repeated(sample, rows), slots)
    spread = _Form(slots, rows, slots * rows / seconds, _slowed(costs, seconds / costs[rows]))
    if spread.rate >= _SCALES * slots * alone.rate:
        return spread
    resize(slots)
    wide = _costs(processor, sample, largest)
    rows = _knee(wide)
    if rows / wide[rows] > _CLEARLY * spread.rate:
        return _Form(1, rows, rows / wide[rows], wide)
    resize(1)
    return spread


def _costs(processor: Loaded, sample: dict[str, Array], largest: int) -> dict[int, float]:
    """Seconds a call takes, by its rows: the best of a few tries; ends beyond the knee or where time is up."""
    costs: dict[int, float] = {}
    begun, clock = perf_counter(), _clock(processor)
    end, rows, worse = begun + _LIGHT_BUDGET, 1, 0
    while rows <= largest and worse < 2:
        if costs and perf_counter() + 2 * costs[rows // 2] > end:
            break
        costs[rows] = _fastest(processor, _repeated(sample, rows), end, clock)
        if rows == 1 and costs[1] > _LIGHT:
            end = begun + _HEAVY_BUDGET
        if rows > 1:
            worse = worse + 1 if costs[rows] / rows >= costs[rows // 2] / (rows // 2) else 0
        rows *= 2
    return costs


def _clock(processor: Loaded) -> Callable[[], float]:
    """Where a call computes on its own thread alone, that thread's time: neighbours on the machine don't disturb it."""
    facts = processor.metadata().facts or {}
    alone = set(facts.get("threads", {}).values()) == {1} and facts.get("device", "cpu") == "cpu"
    return thread_time if alone else perf_counter


def _fastest(processor: Loaded, inputs: dict[str, Array], end: float, clock: Callable[[], float]) -> float:
    best = _timed(processor, inputs, clock)
    for _ in range(_TRIES - 1):
        if perf_counter() + best > end:
            break
        best = min(best, _timed(processor, inputs, clock))
    return best


def _timed(processor: Loaded, inputs: Any, clock: Callable[[], float] = perf_counter) -> float:
    begun = clock()
    processor.predict(inputs)
    return clock() - begun


def _together(processor: Loaded, inputs: dict[str, Array], slots: int) -> float:
    """Seconds of a call while as many run as there are slots."""
    times: list[float] = []

    def work() -> None:
        times.extend(_timed(processor, inputs) for _ in range(_TRIES))

    threads = [Thread(target=work) for _ in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times)[len(times) // 4]  # the slower ones met neighbours on the machine


def _knee(costs: dict[int, float]) -> int:
    """The smallest batch that is within 5 % of the best rate, what is around the call included: beyond it only latency
    grows."""
    rates = {
        rows: rows / (seconds + (_HAND_OVER if seconds > _INLINE_SECONDS else _MAKE_UP))
        for rows, seconds in costs.items()
    }
    return min(rows for rows, rate in rates.items() if rate >= _KNEE * max(rates.values()))


def _slowed(costs: dict[int, float], factor: float) -> dict[int, float]:
    return {rows: seconds * factor for rows, seconds in costs.items()}


def _repeated(sample: dict[str, Array], rows: int) -> dict[str, Array]:
    return sample if rows == 1 else {name: np.repeat(array[:1], rows, axis=0) for name, array in sample.items()}


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
