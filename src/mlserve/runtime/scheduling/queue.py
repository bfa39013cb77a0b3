"""The instance's own queue: bounded, worker slots, and batches made of what waits. Lives on the event loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from time import perf_counter

from mlserve.runtime.metrics import Metrics
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.scheduling.calls import run_batch
from mlserve.runtime.scheduling.deadlines import Deadlines
from mlserve.runtime.scheduling.job import Expired, Job, Outcome, QueueFull
from mlserve.runtime.scheduling.lines import Lines
from mlserve.runtime.scheduling.plan import Plan
from mlserve.runtime.scheduling.streams import Stream
from mlserve.runtime.scheduling.workers import workers


class Queue:
    """Submit jobs; what becomes of them is told to ``answered``, which passes over those that have their answer."""

    def __init__(
        self, processor: Loaded, plan: Plan, metrics: Metrics,
        answered: Callable[[Sequence[Job], Sequence[Outcome]], None],
    ) -> None:  # fmt: skip
        self.plan = plan
        self._predict = processor.predict
        self._answered = answered
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._lines = Lines()
        self._free = plan.slots
        self._running: dict[int, list[Job]] = {}
        self._scheduled = False
        self._hold: asyncio.TimerHandle | None = None
        self._deadlines = Deadlines(self._loop, self._expire)
        self._workers = workers(plan.slots, processor, self._loop, self._finished, plan.clock)

    @property
    def depth(self) -> int:
        return len(self._lines)

    @property
    def running(self) -> int:
        return self.plan.slots - self._free

    @property
    def age(self) -> float:
        """Seconds that the request which waits longest has waited."""
        oldest = self._lines.oldest
        return 0.0 if oldest is None else perf_counter() - oldest

    @property
    def predicted_wait(self) -> float:
        """Seconds until a request that came now would begin, as far as is known."""
        if self._free:
            return 0.0
        cap, lines, costs = self.plan.batch_rows, self._lines, self.plan.costs
        if cap > 1:
            calls, rows = math.ceil(lines.rows / cap), min(cap, max(1, lines.rows))
        else:
            calls, rows = lines.count, 1
        return (calls + 1) * costs.seconds(rows) / self.plan.slots

    @property
    def stuck(self) -> float:
        """Seconds since the last of the requests that hold all slots should have been answered."""
        if self._free or not self._running:
            return 0.0
        return max(0.0, perf_counter() - max(job.expires for batch in self._running.values() for job in batch))

    def submit(self, job: Job) -> None:
        """Take a job in; raises QueueFull."""
        plan = self.plan
        if self._lines.count >= plan.waiting and self._free:
            self._kick(full=True)  # what came in this tick starts now: only real waiting counts
        if not self._free:
            self._admit(job)
            self._deadlines.watch(job)
        self._lines.add(job)
        if self._free and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._kick)

    def drop(self, job: Job) -> None:
        """Forget a job whose client has gone; one that runs is run to its end and not answered."""
        if job.answered:
            return
        job.answered = True
        self._lines.remove(job)
        self._deadlines.forget(job)
        self._let_go(job)

    def watch(self, job: Job) -> None:
        """Mind the deadline of a job that waits elsewhere."""
        self._deadlines.watch(job)

    def _admit(self, job: Job) -> None:
        plan, lines = self.plan, self._lines
        if lines.count >= plan.waiting:
            raise QueueFull(self._retry_after(), f"the queue is full: {lines.count} requests wait; try again later")
        wait = self.predicted_wait
        if wait > plan.wait_seconds or wait > job.start_by - job.submitted:
            raise QueueFull(
                self._retry_after(),
                f"the queue is full: about {wait:.3g} s to wait, which is too long; try again later",
            )
        if plan.wait_bytes:
            job.size = sum(array.nbytes for array in job.inputs.values())
            if lines.count and lines.size + job.size > plan.wait_bytes:
                held = lines.size >> 20
                raise QueueFull(
                    self._retry_after(), f"the queue is full: requests that wait hold {held} MB; try again later"
                )

    def _kick(self, full: bool = False) -> None:
        """Start calls while there are jobs and slots."""
        self._scheduled = False
        lines = self._lines
        while lines.count and self._free:
            if not full and self._should_hold():
                return
            batch = lines.take(self.plan.batch_rows)
            rows = self._note_queued(batch)
            if self._fits_in_the_loop(rows) and not batch[0].streaming:
                self._run_inline(batch, rows)
            else:
                self._free -= 1
                self._running[id(batch)] = batch
                for job in batch:
                    job.running = True
                    self._deadlines.watch(job)
                self._workers.put(batch)
        if lines.count:
            for job in lines:
                self._deadlines.watch(job)

    def _fits_in_the_loop(self, rows: int) -> bool:
        """The call is short, and the only one; where more wait, several cores are quicker, unless it is next to
        nothing."""
        costs = self.plan.costs
        if rows > costs.short_rows:
            return False
        return rows <= costs.tiny_rows or self.plan.slots == 1 or not self._lines.count

    def _run_inline(self, batch: list[Job], rows: int) -> None:
        clock = self.plan.clock
        begun, cost = perf_counter(), clock()
        outcomes = run_batch(self._predict, batch)
        cost = clock() - cost
        self._account(rows, perf_counter() - begun, cost, len(batch))
        self._answer(batch, outcomes)

    def _finished(self, batch: list[Job], outcomes: list[Outcome], seconds: float, cost: float) -> None:
        self._free += 1
        del self._running[id(batch)]
        self._account(sum(job.rows for job in batch), seconds, cost, len(batch))
        if self._lines.count:
            self._kick()  # first keep the slot busy, then write replies
        self._answer(batch, outcomes)

    def _answer(self, batch: list[Job], outcomes: list[Outcome]) -> None:
        if self._deadlines.jobs:
            for job in batch:
                self._deadlines.forget(job)
        self._answered(batch, outcomes)
        for job in batch:
            if job.after is not None:
                job.after()

    def _should_hold(self) -> bool:
        hold = self.plan.hold_seconds
        if not hold or self._lines.rows >= self.plan.batch_rows:
            return False
        left = (self._lines.oldest or 0.0) + hold - perf_counter()
        if left <= 0:
            return False
        if self._hold is None:
            self._hold = self._loop.call_later(left, self._held)
        return True

    def _held(self) -> None:
        self._hold = None
        self._kick(full=True)

    def _expire(self, job: Job) -> None:
        if isinstance(job, Stream) and job.running and job.paused:
            job.expires = perf_counter() + job.pause_between  # it waits for its client, whose pace is watched elsewhere
            self._deadlines.watch(job)
            return
        self._lines.remove(job)
        if not job.answered:
            self._answered((job,), (Expired(),))
            if isinstance(job, Stream):
                job.wake()
            self._let_go(job)

    def _let_go(self, job: Job) -> None:
        """Nobody waits for its answer any more."""
        if job.running:
            self._workers.cancel(job)
        elif job.after is not None:
            job.after()

    def _note_queued(self, batch: list[Job]) -> int:
        now = perf_counter()
        rows = sum([job.rows for job in batch])
        for job in batch:
            job.started, job.batch = now, rows
        self._metrics.queue.observe_all([now - job.submitted for job in batch])
        return rows

    def _account(self, rows: int, seconds: float, cost: float, requests: int) -> None:
        self._metrics.ran(rows, seconds, requests)
        self.plan.costs.seen(rows, cost)

    def _retry_after(self) -> int:
        return max(1, math.ceil(self.predicted_wait))
