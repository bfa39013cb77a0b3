"""How long a transfer goes on trying: by what came last, and not for minutes where nobody answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

SILENCE_SECONDS = 10.0
"""An endpoint that has not answered at all for so long is away."""
OUTAGE_SECONDS = 20.0
"""The same once something had come: it may be starting again."""


class Patience:
    """One for all requests of a transfer: while any of them brings bytes, the others go on trying."""

    def __init__(self, tries: int, stall_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries, self._clock, self._stall = tries, clock, stall_seconds
        self._last, self._heard = clock(), False

    def came(self) -> None:
        """Something was answered."""
        self._last, self._heard = self._clock(), True

    def lasts(self, attempt: int, *, unreachable: bool) -> bool:
        """Whether to try again after this failed attempt (the first is 1)."""
        silent = self._clock() - self._last
        if self._heard:
            return silent < min(OUTAGE_SECONDS, 2 * self._stall)
        if unreachable:
            return silent < min(SILENCE_SECONDS, self._stall) and attempt < min(self._tries, 3)
        return attempt < self._tries

    def each(self, ask: Callable[[], Result], transient: Callable[[Exception], tuple[bool, bool]]) -> Result:
        """What ``ask`` returns, asked again while it is worth it. ``transient``: says (try again?, unreachable?)."""
        attempt = 1
        while True:
            try:
                found = ask()
            except Exception as exc:
                again, unreachable = transient(exc)
                if not again or not self.lasts(attempt, unreachable=unreachable):
                    raise
                time.sleep(min(2**attempt, 8) / 4)
                attempt += 1
            else:
                self.came()
                return found
