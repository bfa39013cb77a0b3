"""The newest values of one column, and how far they are from its reference."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mlserve.runtime.observe import distance
from mlserve.runtime.observe.columns import Column
from mlserve.runtime.tensors import Array

_SMALL = 0.1
"""Below this distance nobody would act, however sure one is of it: with many rows any difference is certain."""


class Watched:
    """One column: its reference, its newest values, and what was found. Numbers in a ring; words counted when asked."""

    def __init__(self, column: Column, window: int) -> None:
        self.column = column
        self.words = column.reference.dtype.kind not in "biuf"
        self.score, self.chance = 0.0, 1.0
        self.suspect = self.detected = False
        self._ring: Array = np.empty(window, dtype=np.object_ if self.words else np.float64)
        self._next = self.rows = 0
        """How many came in all."""
        self._counted = Counter(column.reference.tolist()) if self.words else Counter()
        self._sorted: Array = column.reference if self.words else np.sort(column.reference.astype(np.float64))

    def add(self, values: Array) -> None:
        size = len(self._ring)
        self.rows += len(values)
        values = values[-size:]
        first = min(len(values), size - self._next)
        self._ring[self._next : self._next + first] = values[:first]
        self._ring[: len(values) - first] = values[first:]
        self._next = (self._next + len(values)) % size

    def compare(self) -> None:
        window = self._ring[: min(self.rows, len(self._ring))]
        if self.words:
            self.score, self.chance = distance.words(self._counted, Counter(window.tolist()))
        else:
            self.score, self.chance = distance.numbers(self._sorted, np.sort(window))

    def judge(self, limit: float) -> bool:
        """Once for each whole window: drift is what two in a row show. True: it has just begun or ended."""
        unlike = self.chance < limit and self.score >= _SMALL
        before, self.detected = self.detected, unlike and (self.suspect or self.detected)
        self.suspect = unlike
        return before != self.detected
