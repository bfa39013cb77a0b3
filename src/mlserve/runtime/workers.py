"""Run calls on threads, and split what comes out between the requests that went in."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mlserve.runtime.job import Job, Outcome
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.streams import Stream
from mlserve.runtime.tensors import Array

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import Trace

Run = Callable[..., Any]
Finished = Callable[[list[Job], list[Outcome], float], None]


class Workers:
    """A fixed number of threads that take batches; ``finished`` is called back on the event loop."""

    def __init__(self, count: int, processor: Loaded, loop: asyncio.AbstractEventLoop, finished: Finished) -> None:
        self._batches: queue.SimpleQueue[list[Job]] = queue.SimpleQueue()
        self._processor: Any = processor
        self._loop, self._finished = loop, finished
        for number in range(count):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def put(self, batch: list[Job]) -> None:
        self._batches.put(batch)

    def _work(self) -> None:
        while True:
            batch = self._batches.get()
            begun = perf_counter()
            if isinstance(batch[0], Stream) and batch[0].streaming:
                outcomes = [run_stream(self._processor, batch[0], self._loop)]
            else:
                outcomes = run_batch(self._processor.predict, batch)
            self._loop.call_soon_threadsafe(self._finished, batch, outcomes, perf_counter() - begun)
            del batch, outcomes  # or the last request's arrays would live until the next one comes


def run_batch(run: Run, batch: Sequence[Job]) -> list[Outcome]:
    """One outcome for each job. A batch that fails as a whole is run job by job, so that only the guilty one fails."""
    if len(batch) == 1:
        return [_run_one(run, batch[0])]
    try:
        return _split(run(_stacked(batch)), batch)
    except BaseException:  # noqa: BLE001 - a processor may raise anything; each job now says it for itself
        return [_run_one(run, job) for job in batch]


def run_stream(processor: Any, stream: Stream, loop: asyncio.AbstractEventLoop) -> Outcome:
    """Hand each answer over as it comes; the outcome says how it ended."""
    try:
        parts = iter(processor.stream(stream.inputs, stream.context))
        try:
            for outputs in parts:
                if not stream.hand_over(loop, outputs):
                    break
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                close()
    except BaseException as exc:  # noqa: BLE001 - anything at all is this request's answer, or its slot would be lost
        return exc
    return {}


def _run_one(run: Run, job: Job) -> Outcome:
    if job.trace is not None:
        run = partial(_traced, run, job.trace)
    try:
        outputs: Outcome = run(job.inputs) if job.context is None else run(job.inputs, job.context)
    except BaseException as exc:  # noqa: BLE001 - anything at all is this job's answer, or its slot would be lost
        return exc
    return outputs


def _traced(run: Run, trace: Trace, *given: Any) -> Any:
    """What the processor calls in its turn belongs to the request's trace."""
    from mlserve.runtime.observe.trace_context import within  # most instances never see one

    with within(trace):
        return run(*given)


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
