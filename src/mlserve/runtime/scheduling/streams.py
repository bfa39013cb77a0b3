"""A request with any number of answers: made on a worker thread, handed over on the event loop, never faster than
the client takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from threading import Condition
from time import perf_counter
from typing import Any

from mlserve.runtime.scheduling.job import Job, Outcome
from mlserve.runtime.tensors import Array

_AHEAD = 16

Part = Callable[[Mapping[str, Any]], None]


class Stream(Job):
    """``part`` gets each answer; ``done`` the end of it: no more outputs, or the exception that broke it off."""

    def __init__(
        self,
        inputs: dict[str, Array],
        rows: int,
        part: Part,
        done: Callable[[Outcome], None],
        seconds: float,
        drop: Callable[[Job, BaseException | None], None],
    ) -> None:
        super().__init__(inputs, rows, self, done, seconds)
        self.streaming = True
        self.part = part
        self.pause_between = seconds
        """Seconds until the first answer, and between two."""
        self._drop = drop
        self._changed = Condition()
        self._paused = False
        self._under_way = 0

    def cancel(self, error: BaseException | None = None) -> None:
        """No more calls of ``part`` or ``done``, and the user's generator is closed: the client has gone.

        ``error``: or its last answer can't be sent, and why.
        """
        self._drop(self, error)
        self.wake()

    def pause(self) -> None:
        """The client takes nothing for now: at most a few more answers are made."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self.expires = perf_counter() + self.pause_between
        self.wake()

    @property
    def paused(self) -> bool:
        return self._paused

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def hand_over(self, loop: asyncio.AbstractEventLoop, outputs: Mapping[str, Any]) -> bool:
        """On the worker's thread: pass an answer on; true when another one is wanted."""
        with self._changed:
            self._under_way += 1
        loop.call_soon_threadsafe(self._deliver, outputs)
        with self._changed:
            while not self.answered and (self._paused or self._under_way >= _AHEAD):
                self._changed.wait()
        return not self.answered

    def _deliver(self, outputs: Mapping[str, Any]) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()
        if not self.answered:
            self.expires = perf_counter() + self.pause_between
            self.part(outputs)
