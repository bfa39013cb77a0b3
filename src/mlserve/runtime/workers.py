"""Run batches on threads, and split what comes out between the requests that went in."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mlserve.runtime.tensors import Array

if TYPE_CHECKING:
    from mlserve.runtime.queue import Job

Outcome = Mapping[str, Any] | BaseException
Run = Callable[[dict[str, Array]], Any]


class Workers:
    """A fixed number of threads that take batches; ``finished`` is called back on the event loop."""

    def __init__(
        self,
        count: int,
        run: Run,
        loop: asyncio.AbstractEventLoop,
        finished: Callable[[list[Job], list[Outcome], float], None],
    ) -> None:
        self._batches: queue.SimpleQueue[list[Job]] = queue.SimpleQueue()
        self._run, self._loop, self._finished = run, loop, finished
        for number in range(count):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def put(self, batch: list[Job]) -> None:
        self._batches.put(batch)

    def _work(self) -> None:
        while True:
            batch = self._batches.get()
            begun = perf_counter()
            outcomes = run_batch(self._run, batch)
            self._loop.call_soon_threadsafe(self._finished, batch, outcomes, perf_counter() - begun)


def run_batch(run: Run, batch: Sequence[Job]) -> list[Outcome]:
    """One outcome for each job. A batch that fails as a whole is run job by job, so that only the guilty one fails."""
    if len(batch) == 1:
        return [_run_one(run, batch[0])]
    try:
        return _split(run(_stacked(batch)), batch)
    except BaseException:  # noqa: BLE001 - a processor may raise anything; each job now says it for itself
        return [_run_one(run, job) for job in batch]


def _run_one(run: Run, job: Job) -> Outcome:
    try:
        outputs: Outcome = run(job.inputs)
    except BaseException as exc:  # noqa: BLE001 - anything at all is this job's answer, or its slot would be lost
        return exc
    return outputs


def _stacked(batch: Sequence[Job]) -> dict[str, Array]:
    return {name: np.concatenate([job.inputs[name] for job in batch]) for name in batch[0].inputs}


def _split(outputs: Mapping[str, Array], batch: Sequence[Job]) -> list[Outcome]:
    total = sum(job.rows for job in batch)
    if any(len(array) != total for array in outputs.values()):
        raise ValueError("outputs do not have a row for each row of the inputs")
    parts: list[Outcome] = []
    start = 0
    for job in batch:
        end = start + job.rows
        parts.append({name: array[start:end] for name, array in outputs.items()})
        start = end
    return parts
