"""One call of the model for several requests, and what comes out split between them again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mlserve.runtime.scheduling.job import Job, Outcome
from mlserve.runtime.scheduling.shares import Share, Whole
from mlserve.runtime.scheduling.streams import Stream
from mlserve.runtime.tensors import Array

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import Trace

Run = Callable[..., Any]


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


async def answer_batch(answer: Run, batch: Sequence[Job]) -> list[Outcome]:
    """As `run_batch`, for a coroutine function."""
    if len(batch) > 1:
        try:
            return _split(await answer(_stacked(batch)), batch)
        except Exception:  # noqa: BLE001 - a processor may raise anything; each job now says it for itself
            return [await _answer_one(answer, job) for job in batch]
    return [await _answer_one(answer, batch[0])]


async def _answer_one(answer: Run, job: Job) -> Outcome:
    given = (job.inputs,) if job.context is None else (job.inputs, job.context)
    try:
        outputs: Outcome = await (answer(*given) if job.trace is None else _traced_answer(answer, job.trace, *given))
    except Exception as exc:  # noqa: BLE001 - anything at all is this job's answer, or its slot would be lost
        return exc
    return outputs


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


async def _traced_answer(answer: Run, trace: Trace, *given: Any) -> Any:
    from mlserve.runtime.observe.trace_context import within

    with within(trace):
        return await answer(*given)


def _stacked(batch: Sequence[Job]) -> dict[str, Array]:
    return {name: np.concatenate([job.inputs[name] for job in batch]) for name in batch[0].inputs}


def _split(outputs: Mapping[str, Array], batch: Sequence[Job]) -> list[Outcome]:
    total = sum(job.rows for job in batch)
    if any(len(array) != total for array in outputs.values()):
        raise ValueError("outputs do not have a row for each row of the inputs")
    whole = Whole(outputs, total)
    parts: list[Outcome] = []
    start = 0
    for job in batch:
        end = start + job.rows
        parts.append(Share(whole, start, end))
        start = end
    return parts
