"""Where calls run: on threads, or for an async processor as tasks of the user's own event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.scheduling.calls import answer_batch, run_batch, run_stream
from mlserve.runtime.scheduling.job import Job, Outcome
from mlserve.runtime.scheduling.plan import Clock
from mlserve.runtime.scheduling.streams import Stream

Finished = Callable[[list[Job], list[Outcome], float, float], None]
"""With the seconds that the call took, by the wall and by the clock that costs are measured with."""


class Workers(Protocol):
    """Takes batches, never more than the plan's slots at once, and calls ``finished`` back on the event loop."""

    def put(self, batch: list[Job]) -> None:
        """Begin a call."""

    def cancel(self, job: Job) -> None:
        """Nobody wants the answer of this running job any more."""


def workers(
    count: int, processor: Loaded, loop: asyncio.AbstractEventLoop, finished: Finished, clock: Clock = perf_counter
) -> Workers:
    """Threads, or for a processor that is async its own loop."""
    if processor.metadata().concurrent:
        return Tasks(processor, loop, finished)
    return Threads(count, processor, loop, finished, clock)


class Threads:
    """A fixed number of threads, each with one call at a time."""

    def __init__(
        self, count: int, processor: Loaded, loop: asyncio.AbstractEventLoop, finished: Finished, clock: Clock
    ) -> None:
        self._clock = clock
        self._batches: queue.SimpleQueue[list[Job]] = queue.SimpleQueue()
        self._processor: Any = processor
        self._loop, self._finished = loop, finished
        for number in range(count):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def put(self, batch: list[Job]) -> None:
        self._batches.put(batch)

    def cancel(self, job: Job) -> None:
        """A thread can't be ended: a processor that takes a context may ask whether it should go on."""

    def _work(self) -> None:
        while True:
            batch = self._batches.get()
            begun, cost = perf_counter(), self._clock()
            if isinstance(batch[0], Stream) and batch[0].streaming:
                outcomes = [run_stream(self._processor, batch[0], self._loop)]
            else:
                outcomes = run_batch(self._processor.predict, batch)
            cost = self._clock() - cost
            self._loop.call_soon_threadsafe(self._finished, batch, outcomes, perf_counter() - begun, cost)
            del batch, outcomes  # or the last request's arrays would live until the next one comes


class Tasks:
    """Each call a coroutine on the processor's own loop; one whose client has gone is cancelled."""

    def __init__(self, processor: Any, loop: asyncio.AbstractEventLoop, finished: Finished) -> None:
        self._processor, self._loop, self._finished = processor, loop, finished
        self._alone: dict[Job, Future[Any]] = {}

    def put(self, batch: list[Job]) -> None:
        begun = perf_counter()
        if isinstance(batch[0], Stream) and batch[0].streaming:
            threading.Thread(target=self._stream, args=(batch, batch[0], begun), name="stream", daemon=True).start()
            return
        future: Future[list[Outcome]] = self._processor.start(answer_batch(self._processor.answer, batch))
        if len(batch) == 1:
            self._alone[batch[0]] = future
        future.add_done_callback(partial(self._told, batch, begun))

    def cancel(self, job: Job) -> None:
        future = self._alone.get(job)
        if future is not None:
            future.cancel()

    def _stream(self, batch: list[Job], stream: Stream, begun: float) -> None:
        self._tell(batch, [run_stream(self._processor, stream, self._loop)], begun)

    def _told(self, batch: list[Job], begun: float, future: Future[list[Outcome]]) -> None:
        self._tell(batch, _outcomes(future, batch), begun)

    def _tell(self, batch: list[Job], outcomes: list[Outcome], begun: float) -> None:
        self._loop.call_soon_threadsafe(self._over, batch, outcomes, perf_counter() - begun)

    def _over(self, batch: list[Job], outcomes: list[Outcome], seconds: float) -> None:
        self._alone.pop(batch[0], None)
        self._finished(batch, outcomes, seconds, seconds)


def _outcomes(future: Future[list[Outcome]], batch: Sequence[Job]) -> list[Outcome]:
    if future.cancelled():
        return [CancelledError() for _ in batch]
    error = future.exception()
    return future.result() if error is None else [error for _ in batch]
