"""What one client may send that costs us more than it costs the client, per tick of the clock."""

from __future__ import annotations

from mlserve.runtime.http2.frames import ENHANCE_YOUR_CALM, Violation

_IDLE_FRAMES = 1000
"""PING, SETTINGS, PRIORITY, empty DATA, windows opened by next to nothing."""
_PER_WORK = 4
"""As many again for each frame that carries something, either way."""
_RESETS = 400
"""Requests begun and given up: each may have cost a model's call."""


class Guard:
    """Counts; raises Violation when it is too much."""

    __slots__ = ("_idle", "_resets", "work")

    def __init__(self) -> None:
        self._idle = self._resets = 0
        self.work = 0
        """Frames that carried something."""

    def idle(self) -> None:
        """A frame that asks for nothing useful."""
        self._idle += 1
        if self._idle > _IDLE_FRAMES + _PER_WORK * self.work:
            raise Violation(ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def reset(self) -> None:
        """The client gave a request up before its answer."""
        self._resets += 1
        if self._resets > _RESETS:
            raise Violation(ENHANCE_YOUR_CALM, "too many requests begun and given up")

    def tick(self) -> None:
        """Another tick, another allowance."""
        self._idle = self._resets = self.work = 0
