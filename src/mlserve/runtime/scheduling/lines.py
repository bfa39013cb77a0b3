"""Jobs that wait: the most urgent first, then the oldest; those that may share a call stand in one line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from mlserve.runtime.scheduling.job import Job


class Lines:
    """A line for each level and kin. ``rows`` and ``size`` are those of all that wait."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, object], deque[Job]] = {}
        self.count = self.rows = self.size = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Job]:
        for line in self._lines.values():
            yield from line

    @property
    def oldest(self) -> float | None:
        """When the job that waits longest came."""
        return min((line[0].submitted for line in self._lines.values()), default=None)

    def add(self, job: Job) -> None:
        key = (job.level, job.kin)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = deque()
        line.append(job)
        job.queued = True
        self.count += 1
        self.rows += job.rows
        self.size += job.size

    def remove(self, job: Job) -> None:
        """Take one out that will not be run; nothing happens where it does not wait."""
        if not job.queued:
            return
        key = (job.level, job.kin)
        line = self._lines[key]
        line.remove(job)
        if not line:
            del self._lines[key]
        self._left(job)

    def take(self, cap: int) -> list[Job]:
        """The next call's jobs: one, or several of a kin with at most ``cap`` rows."""
        lines = self._lines
        if len(lines) == 1:
            return self._from(next(iter(lines)), cap)
        key = min(lines, key=lambda key: (key[0], lines[key][0].submitted))
        batch = self._from(key, cap)
        rows = sum(job.rows for job in batch)
        for other in sorted((k for k in lines if k[1] == key[1]), key=lambda k: k[0]):
            if rows >= cap:
                break
            more = self._from(other, cap - rows, fill=True)
            rows += sum(job.rows for job in more)
            batch += more
        return batch

    def _from(self, key: tuple[int, object], cap: int, *, fill: bool = False) -> list[Job]:
        line = self._lines[key]
        batch: list[Job] = []
        rows = 0
        while line and (rows + line[0].rows <= cap or not (batch or fill)):
            job = line.popleft()
            batch.append(job)
            rows += job.rows
            job.queued = False
            self.size -= job.size
            if rows >= cap:
                break
        if not line:
            del self._lines[key]
        self.count -= len(batch)
        self.rows -= rows
        return batch

    def _left(self, job: Job) -> None:
        job.queued = False
        self.count -= 1
        self.rows -= job.rows
        self.size -= job.size
