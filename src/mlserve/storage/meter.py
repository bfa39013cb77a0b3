"""How far a transfer is, in a few words: ``412 of 1,024 MB, 85 MB/s``."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_WINDOW_SECONDS = 5.0
_SAY_SECONDS = 0.2


class Meter:
    """A Progress that says where it stands, a few times a second at most; for several threads."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock, self._lock = say, clock, threading.Lock()
        self._seen: deque[tuple[float, int]] = deque()
        self._first = self._said = -1.0

    def __call__(self, done: int, total: int | None) -> None:
        """So many bytes are here."""
        with self._lock:
            now = self._clock()
            if self._first < 0:
                self._first = float(done)
            if now - self._said < _SAY_SECONDS and done != total and self._said >= 0:
                return
            self._said = now
            self._seen.append((now, done))
            while now - self._seen[0][0] > _WINDOW_SECONDS and len(self._seen) > 2:
                self._seen.popleft()
            self._say(self._text(done, total))

    def _text(self, done: int, total: int | None) -> str:
        unit, step = ("MB", 1e6) if (total or done) >= 1e6 else ("kB", 1e3)
        if done == total == self._first:
            return f"{_number(done / step)} {unit}, which were here"
        of = f" of {_number(total / step)}" if total else ""
        (began, before), (now, _) = self._seen[0], self._seen[-1]
        rate = (done - before) / (now - began) if now > began else 0.0
        return f"{_number(done / step)}{of} {unit}" + (f", {_number(rate / 1e6)} MB/s" if rate > 0 else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:,.1f}"
