"""Reading and writing that would hold up the event loop: pictures, tables. On threads beside the model's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from mlserve.runtime.scheduling.job import QueueFull

_THREADS = 2
_WAITING = 64


class Beside:
    """A few threads, started by the first use. ``done`` is called on the event loop with the result or exception."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._under_way = 0

    def run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """``done`` gets QueueFull at once where too much waits already."""
        if self._under_way >= _WAITING:
            done(QueueFull(1))
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "beside")
        self._under_way += 1
        loop = asyncio.get_running_loop()
        self._threads.submit(work).add_done_callback(partial(self._pass_on, loop, done))

    def _pass_on(self, loop: asyncio.AbstractEventLoop, done: Callable[[Any], None], future: Future[Any]) -> None:
        loop.call_soon_threadsafe(self._finished, done, future)

    def _finished(self, done: Callable[[Any], None], future: Future[Any]) -> None:
        self._under_way -= 1
        error = future.exception()
        done(future.result() if error is None else error)
