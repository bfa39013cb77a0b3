"""How many of all bytes are done, told from whichever thread has done some."""

from __future__ import annotations

import threading

from mlserve.storage.base import Progress


class Tally:
    """One transfer's count."""

    def __init__(self, progress: Progress, total: int, done: int = 0) -> None:
        self._progress, self._total, self._done = progress, total, done
        self._lock = threading.Lock()
        progress(done, total)

    def add(self, size: int) -> None:
        """So many more are done; fewer than none where some have to come again."""
        with self._lock:
            self._done += size
            self._progress(self._done, self._total)
