"""What one load run gave, and several of them as median and spread. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Sample:
    """One run against one server."""

    rps: float
    p50: float
    """Milliseconds, as p99."""
    p99: float
    cpu: float
    """Microseconds of the server's processes for one request."""
    errors: int = 0
    """Answers that were not 2xx, and connections that broke."""


@dataclass(frozen=True)
class Spread:
    """Several values of one figure."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.low)}–{number(self.high)}]"


def spread(samples: Sequence[Sample], of: Callable[[Sample], float]) -> Spread:
    """One figure of several runs."""
    return Spread([of(sample) for sample in samples])


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Round by round, so that a drift of the machine cancels out; rounds that only one of them has are left out."""
    return Spread([a / b for a, b in zip(above, below, strict=False)])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1))]


def number(value: float) -> str:
    """Three figures that matter, thousands in groups: 12,345 · 123 · 1.23."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rotated(items: Sequence[_T], by: int) -> list[_T]:
    """The same items, beginning further on: nobody is always first."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]
