"""The instance's own queue: bounded, worker slots, and batches made of what waits. Lives on the event loop."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from mlserve.runtime.metrics import Metrics
from mlserve.runtime.tensors import Array
from mlserve.runtime.workers import Outcome, Workers, run_batch

_SLOW_INLINE = 0.001
_STRIKES = 3


class QueueFull(Exception):
    """No room to wait; ``retry_after``: whole seconds until there should be."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the queue is full")
        self.retry_after = retry_after


class Expired(Exception):
    """The deadline passed before the answer."""


class Job:
    """One request's tensors on their way through the model. ``done`` gets outputs or an exception, once."""

    __slots__ = ("answered", "deadline", "done", "inputs", "kin", "rows", "submitted", "timer")

    def __init__(
        self, inputs: dict[str, Array], rows: int, kin: object, done: Callable[[Outcome], None], deadline: float
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.kin = kin
        self.done = done
        self.deadline = deadline
        """Seconds from now."""
        self.submitted = perf_counter()
        self.timer: asyncio.TimerHandle | None = None
        self.answered = False

    def answer(self, outcome: Outcome) -> None:
        if self.answered:
            return
        self.answered = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.done(outcome)


@dataclass(frozen=True, slots=True)
class Plan:
    """How calls are made, as the descriptor says and warm-up measured."""

    slots: int
    waiting: int
    batch_rows: int = 1
    """Rows one call may have; 1: requests never share a call."""
    inline_rows: int = 0
    """Calls of at most so many rows are short enough to run in the event loop."""
    hold_seconds: float = 0.0
    """How long a batch that is not full waits for more."""


class Queue:
    """Submit jobs; their answers come by `Job.done`."""

    def __init__(self, run: Callable[[dict[str, Array]], Any], plan: Plan, metrics: Metrics) -> None:
        self.plan = plan
        self._run = run
        self._inline_rows = plan.inline_rows
        self._strikes = 0
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._free = plan.slots
        self._scheduled = False
        self._hold: asyncio.TimerHandle | None = None
        self._mean = 0.0
        self._workers = Workers(plan.slots, run, self._loop, self._finished)

    @property
    def depth(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return self.plan.slots - self._free

    def submit(self, job: Job) -> None:
        """Take a job in; raises QueueFull."""
        if len(self._waiting) >= self.plan.waiting:
            if self._free:
                self._kick(full=True)  # what came in this tick starts now: only real waiting counts
            if len(self._waiting) >= self.plan.waiting and not self._free:
                raise QueueFull(self._retry_after())
        self._waiting.append(job)
        if not self._free:
            self._arm(job)
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._kick)

    def drop(self, job: Job) -> None:
        """Forget a job whose client has gone; one that runs is run to its end and not answered."""
        if job.answered:
            return
        job.answered = True
        if job.timer is not None:
            job.timer.cancel()
        if job in self._waiting:
            self._waiting.remove(job)
        self._metrics.failure("client-gone")

    def _kick(self, full: bool = False) -> None:
        """Start calls while there are jobs and slots."""
        self._scheduled = False
        while self._waiting and self._free:
            if not full and self._should_hold():
                return
            batch, rows = self._take()
            self._note_queued(batch)
            if rows <= self._inline_rows:
                self._run_inline(batch, rows)
            else:
                self._free -= 1
                for job in batch:
                    self._arm(job)
                self._workers.put(batch)
        for job in reversed(self._waiting):
            if job.timer is not None:
                return
            self._arm(job)

    def _take(self) -> tuple[list[Job], int]:
        waiting, cap = self._waiting, self.plan.batch_rows
        first = waiting.popleft()
        batch, rows = [first], first.rows
        while waiting and rows + waiting[0].rows <= cap and waiting[0].kin == first.kin:
            job = waiting.popleft()
            batch.append(job)
            rows += job.rows
        return batch, rows

    def _run_inline(self, batch: list[Job], rows: int) -> None:
        begun = perf_counter()
        outcomes = run_batch(self._run, batch)
        seconds = perf_counter() - begun
        self._strikes = self._strikes + 1 if seconds > _SLOW_INLINE else 0
        if self._strikes >= _STRIKES:
            self._inline_rows = 0  # slower than warm-up saw: from now on it must not hold up the event loop
        self._account(rows, seconds, len(batch))
        _answer(batch, outcomes)

    def _finished(self, batch: list[Job], outcomes: list[Outcome], seconds: float) -> None:
        self._free += 1
        self._account(sum(job.rows for job in batch), seconds, len(batch))
        if self._waiting:
            self._kick()  # first keep the slot busy, then write replies
        _answer(batch, outcomes)

    def _should_hold(self) -> bool:
        hold = self.plan.hold_seconds
        if not hold or sum(job.rows for job in self._waiting) >= self.plan.batch_rows:
            return False
        left = self._waiting[0].submitted + hold - perf_counter()
        if left <= 0:
            return False
        if self._hold is None:
            self._hold = self._loop.call_later(left, self._held)
        return True

    def _held(self) -> None:
        self._hold = None
        self._kick(full=True)

    def _arm(self, job: Job) -> None:
        if job.timer is None and not job.answered:
            left = job.submitted + job.deadline - perf_counter()
            job.timer = self._loop.call_later(max(left, 0), self._expire, job)

    def _expire(self, job: Job) -> None:
        job.timer = None
        if job in self._waiting:
            self._waiting.remove(job)
        job.answer(Expired())

    def _note_queued(self, batch: list[Job]) -> None:
        now = perf_counter()
        for job in batch:
            self._metrics.queue.observe(now - job.submitted)

    def _account(self, rows: int, seconds: float, requests: int) -> None:
        self._metrics.ran(rows, seconds, requests)
        self._mean += (seconds - self._mean) * 0.1

    def _retry_after(self) -> int:
        calls = math.ceil(len(self._waiting) / max(1, self.plan.batch_rows))
        return max(1, math.ceil(calls * self._mean / self.plan.slots))


def _answer(batch: list[Job], outcomes: list[Outcome]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        job.answer(outcome)
