"""Requests that belong together: one state for each sequence, its requests one after the other, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Context, Sequence
from mlserve.runtime.scheduling.job import Job, QueueFull

MOST = 1024


class BrokenSequence(InvalidInput):
    """A request of a sequence that was never begun, or is over."""

    code = "bad-sequence"


class _Line:
    """One sequence. ``current``: its request that waits in the queue or runs."""

    __slots__ = ("current", "ending", "identity", "state", "used", "waiting")

    def __init__(self, identity: int | str) -> None:
        self.identity = identity
        self.state: dict[str, Any] = {}
        self.waiting: deque[Job] = deque()
        self.current: Job | None = None
        self.ending = False
        self.used = perf_counter()


class Sequences:
    """The sequences of an instance. One that nobody used for ``idle_seconds`` is forgotten.

    ``send`` puts a job into the queue and may raise QueueFull, ``hold`` has its deadline minded while it waits here,
    ``refuse`` tells a job that waited here that the queue has no room.
    """

    def __init__(
        self,
        send: Callable[[Job], None],
        hold: Callable[[Job], None],
        refuse: Callable[[Job, QueueFull], None],
        *,
        idle_seconds: float,
        most: int = MOST,
        waiting: int = 64,
    ) -> None:
        self._send, self._hold, self._refuse = send, hold, refuse
        self._idle, self._most, self._waiting = idle_seconds, most, waiting
        self._lines: dict[int | str, _Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def submit(self, job: Job, context: Context, sequence: Sequence) -> None:
        """Send a job on, at once or when those before it are over; raises InvalidInput and QueueFull."""
        line = self._line(sequence)
        if line.current is not None and len(line.waiting) >= self._waiting:
            raise QueueFull(1, f"{len(line.waiting)} requests of sequence {sequence.identity} wait already")
        context.state = line.state
        job.after = partial(self._over, job, line)
        if line.current is None:
            self._send(job)
            line.current = job
        else:
            line.waiting.append(job)
            self._hold(job)
        line.used, line.ending = perf_counter(), sequence.end
        self._lines[line.identity] = line

    def __contains__(self, identity: int | str) -> bool:
        line = self._lines.get(identity)
        return line is not None and not line.ending

    def keep(self, identity: int | str) -> None:
        """Its client is still there: it is not idle, however long it says nothing."""
        line = self._lines.get(identity)
        if line is not None:
            line.used = perf_counter()

    def forget(self, identity: int | str) -> None:
        """Its client has gone."""
        line = self._lines.get(identity)
        if line is not None:
            line.ending = True
            if line.current is None:
                del self._lines[identity]

    def tick(self) -> None:
        """Forget what is idle; called now and then."""
        before = perf_counter() - self._idle
        for line in [line for line in self._lines.values() if line.current is None and line.used < before]:
            del self._lines[line.identity]

    def _line(self, sequence: Sequence) -> _Line:
        line = self._lines.get(sequence.identity)
        if sequence.start:
            if line is None and len(self._lines) >= self._most:
                self.tick()
                if len(self._lines) >= self._most:
                    raise QueueFull(1, f"{len(self._lines)} sequences are open, and more are not kept; end some first")
            return _Line(sequence.identity)
        if line is None or line.ending:
            raise BrokenSequence(
                f"sequence {sequence.identity} is not open here: its first request must say sequence_start "
                f"(one without a request for {self._idle:g} s is forgotten, and each instance has its own)"
            )
        return line

    def _over(self, job: Job, line: _Line) -> None:
        """A job holds nothing any more: the next of its sequence begins."""
        if line.current is not job:
            line.waiting.remove(job)
            return
        line.used, line.current = perf_counter(), None
        while line.waiting and line.current is None:
            following = line.waiting.popleft()
            try:
                self._send(following)
            except QueueFull as exc:
                following.after = None
                self._refuse(following, exc)
            else:
                line.current = following
        if line.ending and line.current is None and self._lines.get(line.identity) is line:
            del self._lines[line.identity]
