"""What a call costs by its rows, measured so that a neighbour on the machine does not decide: in turns, the least."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread
from time import perf_counter, thread_time

import numpy as np

from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.tensors import Array

Sample = dict[str, Array]
_LIGHT_BUDGET, _HEAVY_BUDGET = 0.1, 0.3
_LIGHT = 1e-3
_LONG = 3e-3
"""A call that takes longer has to be worth it: everybody waits for it."""
_ROUNDS, _TRIES = 4, 2
_STACKED = 1 << 20
_GAIN = 1.05
_NEAR, _NEARLY = 0.95, 0.9


def costs_by_rows(processor: Loaded, sample: Sample, largest: int) -> dict[int, float]:
    """Seconds of a call that is made up of 1, 2, 4, … rows: all sizes in turn, then again, the least of each."""
    clock = clock_of(processor)
    begun = perf_counter()
    costs: dict[int, float] = {}
    end = begun
    for rows in _sizes(costs, sample, largest):
        costs[rows] = _timed(processor, _rows_of(sample, rows), clock)
        if rows == 1:
            end = begun + (_LIGHT_BUDGET if costs[1] < _LIGHT else _HEAVY_BUDGET)
        if perf_counter() + 2 * costs[rows] > end:
            break
    for _ in range(_ROUNDS - 1):
        for rows in costs:
            if perf_counter() + costs[rows] > end:
                return costs
            costs[rows] = min(costs[rows], _timed(processor, _rows_of(sample, rows), clock))
    return costs


def together(processor: Loaded, sample: Sample, rows: int, slots: int) -> float:
    """Seconds of a call while as many run as there are slots: of a few times, the one least disturbed."""
    given = _rows_of(sample, rows)
    return min(_at_once(processor, given, slots) for _ in range(_ROUNDS)) / _TRIES


def _at_once(processor: Loaded, given: dict[str, list[Array]], slots: int) -> float:
    def work() -> None:
        for _ in range(_TRIES):
            _timed(processor, given, perf_counter)

    threads = [Thread(target=work) for _ in range(slots)]
    begun = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return perf_counter() - begun


def clock_of(processor: Loaded) -> Callable[[], float]:
    """Where a call computes on its own thread alone, that thread's time: neighbours on the machine don't disturb it."""
    facts = processor.metadata().facts or {}
    alone = set(facts.get("threads", {}).values()) == {1} and facts.get("device", "cpu") == "cpu"
    return thread_time if alone else perf_counter


def batch_for(costs: dict[int, float], around: Callable[[float], float]) -> int:
    """The rows that one call should have at most; ``around``: what making a call of so many seconds costs besides.

    Too few cost a model with a dear call twice the work, too many only latency: so not the smallest size near the best
    rate, but the largest, as long as its call is short.
    """
    rates = {rows: rows / (seconds + around(seconds)) for rows, seconds in costs.items()}
    best = max(rates.values())
    enough = min(rows for rows, rate in rates.items() if rate >= _NEAR * best)
    short = [rows for rows, rate in rates.items() if rate >= _NEARLY * best and costs[rows] <= _LONG]
    return max((enough, *short))


def _sizes(costs: dict[int, float], sample: Sample, largest: int) -> Iterator[int]:
    """Doubled until the call is long and a row in it no cheaper; ``costs`` fills up meanwhile.

    Where a short call takes large tensors, to copy them side by side costs more than the calls that it saves.
    """
    held = sum(array.nbytes for array in sample.values())
    rows = 1
    while rows <= largest:
        yield rows
        if rows > 1 and costs[rows] > _LONG and costs[rows] * _GAIN > 2 * costs[rows // 2]:
            return
        rows *= 2
        if costs[1] < _LIGHT and rows * held > _STACKED:
            return


def _rows_of(sample: Sample, rows: int) -> dict[str, list[Array]]:
    return {name: [array if rows == 1 else array[:1]] * rows for name, array in sample.items()}


def _timed(processor: Loaded, parts: dict[str, list[Array]], clock: Callable[[], float]) -> float:
    """One call, and the bringing together of its rows, which for large ones is the dearer part."""
    begun = clock()
    processor.predict({name: part[0] if len(part) == 1 else np.concatenate(part) for name, part in parts.items()})
    return clock() - begun
