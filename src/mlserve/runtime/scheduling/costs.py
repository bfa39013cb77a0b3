"""What a call takes: measured at warm-up by its rows, and corrected by what is seen afterwards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

_SHARE, _RISE, _FALL = 0.1, 0.05, 0.5
_LEAP = 10.0
_DRIFT = 0.2
_TINY = 5


class Costs:
    """Seconds by rows. Without a table, the mean of what was seen.

    ``short_rows``: calls of at most so many rows are expected to take at most ``short`` seconds; ``tiny_rows``: a
    fifth of that.
    """

    def __init__(self, table: Mapping[int, float] | None = None, short: float = 0.0) -> None:
        self._rows = sorted(table or ())
        self._seconds = [(table or {})[rows] for rows in self._rows]
        self._factor = self._weighed = 1.0
        self._mean = 0.0
        self._short = short
        self.short_rows, self.tiny_rows = self._within(short), self._within(short / _TINY)

    def seconds(self, rows: int) -> float:
        """What a call of so many rows is expected to take; 0.0: nothing is known yet."""
        return self._measured(rows) * self._factor if self._rows else self._mean

    def seen(self, rows: int, seconds: float) -> None:
        """A call took so long. One that was held up by something else counts for little, until many agree with it."""
        if not self._rows:
            self._mean = self._mean + (seconds - self._mean) * _SHARE if self._mean else seconds
            return
        factor = self._factor
        ratio = min(seconds / self._measured(rows), factor * _LEAP)
        self._factor = factor = factor + (ratio - factor) * (_RISE if ratio > factor else _FALL)
        if abs(factor - self._weighed) > _DRIFT * self._weighed:
            self._weighed = factor
            self.short_rows, self.tiny_rows = self._within(self._short), self._within(self._short / _TINY)

    def _within(self, seconds: float) -> int:
        return max((rows for rows in self._rows if self.seconds(rows) <= seconds), default=0)

    def _measured(self, rows: int) -> float:
        known, seconds = self._rows, self._seconds
        place = bisect_left(known, rows)
        if place == 0:
            return seconds[0]
        if place == len(known):  # beyond the table it grows with the rows
            return seconds[-1] * rows / known[-1]
        share = (rows - known[place - 1]) / (known[place] - known[place - 1])
        return seconds[place - 1] + (seconds[place] - seconds[place - 1]) * share
