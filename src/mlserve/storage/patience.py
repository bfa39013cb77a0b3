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

    def __init__(self, tries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries, self._clock = tries, clock
        self._last, self._allowed = clock(), SILENCE_SECONDS

    def came(self) -> None:
        """Something was answered."""
        self._last, self._allowed = self._clock(), OUTAGE_SECONDS

    def lasts(self, attempt: int, *, unreachable: bool) -> bool:
        """Whether to try again after this failed attempt (the first is 1)."""
        if not unreachable:
            return attempt < self._tries
        silent = self._clock() - self._last
        return silent < self._allowed and (self._allowed > SILENCE_SECONDS or attempt < min(self._tries, 3))

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
