"""Count values in fixed buckets, cheaply enough for every request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """``counts`` has one more place than ``bounds``, for what is above them all. One thread writes."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def times(self, factor: float) -> Histogram:
        """The same values in another unit."""
        other = Histogram([bound * factor for bound in self.bounds])
        other.counts, other.total = list(self.counts), self.total * factor
        return other

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Several at once, which mostly fall into one bucket."""
        bounds = self.bounds
        place = bisect_left(bounds, min(values))
        if place == len(bounds) or max(values) <= bounds[place]:
            self.counts[place] += len(values)
            self.total += sum(values)
        else:
            for value in values:
                self.observe(value)

    def add(self, value: float, times: int) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times
