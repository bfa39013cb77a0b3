"""One timer for all requests that wait or run: set for the earliest, and looked at only when it rings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from mlserve.runtime.scheduling.job import Job


class Deadlines:
    """``expired`` is called once for each job whose time is over."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[Job], None]) -> None:
        self._loop, self._expired = loop, expired
        self.jobs: dict[Job, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def watch(self, job: Job) -> None:
        if job in self.jobs:
            return
        self.jobs[job] = None
        if self._timer is None or job.start_by < self._at:
            self._set(job.start_by)

    def forget(self, job: Job) -> None:
        self.jobs.pop(job, None)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self._loop.call_later(max(at - perf_counter(), 0.0), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = perf_counter()
        for job in [job for job in self.jobs if _due(job) <= now]:
            del self.jobs[job]
            self._expired(job)
        if self.jobs and self._timer is None:
            self._set(min(_due(job) for job in self.jobs))


def _due(job: Job) -> float:
    return job.expires if job.running else job.start_by
