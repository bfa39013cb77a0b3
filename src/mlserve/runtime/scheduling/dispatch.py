"""The one door from any protocol to the model: HTTP, gRPC and WebSocket submit here and get outcomes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.pipeline import timing
from mlserve.runtime.processors.base import Context, Loaded, Metadata
from mlserve.runtime.protocols.base import Call
from mlserve.runtime.scheduling.job import USUAL, Expired, Job, Outcome, QueueFull
from mlserve.runtime.scheduling.plan import Plan
from mlserve.runtime.scheduling.queue import Queue
from mlserve.runtime.scheduling.sequences import Sequences
from mlserve.runtime.scheduling.streams import Stream
from mlserve.runtime.signature import no_rows
from mlserve.runtime.tensors import Array
from mlserve.runtime.trouble import reason, trouble


class Dispatcher:
    """Takes calls in and answers them, each once, on the event loop.

    An outcome is the outputs by name, or an exception: `InvalidInput` (the client's fault), `Expired` (too late), or
    whatever the processor raised; `trouble` puts it into words. Counted here, so that all protocols count alike.
    """

    def __init__(self, processor: Loaded, metadata: Metadata, plan: Plan, metrics: Metrics) -> None:
        self.in_flight = 0
        """Taken in and not yet answered."""
        self.queue = Queue(processor, plan, metrics, self._answered)
        self.sequences = Sequences(
            self.queue.submit, self.queue.watch, self._refuse, idle_seconds=plan.idle_seconds, waiting=plan.waiting
        )
        self._metrics, self._metadata = metrics, metadata
        self._alike = _alike(metadata)
        self._nothing = no_rows(metadata)
        self._timed = metadata.platform == "pipeline"
        self._wishful = self._timed or metadata.context
        self._gauges()

    def submit(self, call: Call, done: Callable[[Outcome], None], deadline: float) -> Job:
        """Have a call answered within ``deadline`` seconds. Raises QueueFull; InvalidInput for a broken sequence."""
        job = Job(call.inputs, call.rows, None if self._alike else _form(call.inputs), done, deadline)
        if not call.rows and self._nothing is not None:
            self.in_flight += 1
            asyncio.get_running_loop().call_soon(self._say_nothing, job, self._nothing)
            return job
        if self._wishful or call.trace is not None or call.priority or call.timeout is not None:
            self._take_in(job, call)
            return job
        try:
            self.queue.submit(job)
        except QueueFull as exc:
            self._metrics.failure(reason(exc))
            raise
        self.in_flight += 1
        return job

    def stream(
        self, call: Call, part: Callable[[Mapping[str, Any]], None], end: Callable[[BaseException | None], None],
        deadline: float,
    ) -> Stream:  # fmt: skip
        """Have ``part`` called for each answer, then ``end`` once. ``deadline``: seconds to the first and between two.

        A processor that does not stream gives exactly one part. Raises as `submit` does.
        """
        stream = Stream(call.inputs, call.rows, part, partial(_ended, end), deadline, self._drop)
        if not self._metadata.streams:
            stream.done, stream.streaming = partial(_whole, part, end), False
            stream.kin = None if self._alike else _form(call.inputs)
            if not call.rows and self._nothing is not None:
                self.in_flight += 1
                asyncio.get_running_loop().call_soon(self._say_nothing, stream, self._nothing)
                return stream
        else:
            stream.part = partial(self._first, stream, part)
        self._take_in(stream, call)
        return stream

    def _first(self, stream: Stream, part: Callable[[Mapping[str, Any]], None], outputs: Mapping[str, Any]) -> None:
        self._metrics.first_part.observe(perf_counter() - stream.submitted)
        stream.part = part
        part(outputs)

    def drop(self, job: Job) -> None:
        """The client has gone: what waits is not run, and what runs is not answered."""
        self._drop(job, None)

    def spoiled(self, error: BaseException) -> None:
        """Outputs that were counted as a success could not be written after all."""
        self._metrics.succeeded -= 1
        self._metrics.failure(reason(error))

    def _drop(self, job: Job, error: BaseException | None) -> None:
        if not job.answered:
            self.in_flight -= 1
            self._metrics.failure("client-gone" if error is None else reason(error))
            self.queue.drop(job)

    def _take_in(self, job: Job, call: Call) -> None:
        if call.priority:
            job.level = call.priority
        if call.trace is not None:
            job.trace = call.trace
        if call.timeout is not None:
            job.start_by = min(job.start_by, job.submitted + call.timeout)
        if job.streaming or self._metadata.context:
            job.context = Context(call.parameters, call.identity, call.sequence, {}, job.cancelled)
            job.kin = job  # what came with a request is for it alone, so it shares no call
        elif self._timed and call.parameters.get(timing.PARAMETER) is True:
            job.kin = job  # what its steps take is measured for it alone
        try:
            if job.context is not None and call.sequence is not None:
                self.sequences.submit(job, job.context, call.sequence)
            else:
                self.queue.submit(job)
        except (QueueFull, InvalidInput) as exc:
            self._metrics.failure(reason(exc))
            raise
        self.in_flight += 1

    def _answered(self, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        """Tell each job that has no answer yet."""
        ages: list[float] = []
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.answered:
                continue
            job.answered = True
            self.in_flight -= 1
            if isinstance(outcome, BaseException):
                outcome = self._failed(job, outcome)
            else:
                ages.append(perf_counter() - job.submitted)
            try:
                job.done(outcome)
            except Exception as exc:  # noqa: BLE001 - one reply that goes wrong must not take the others of its batch
                trouble(exc, what="writing the answer failed")
        if ages:
            self._metrics.succeeded += len(ages)
            self._metrics.total.observe_all(ages)

    def _failed(self, job: Job, error: BaseException) -> BaseException:
        if isinstance(error, Expired) and not error.args:
            error = _too_late(job)
        self._metrics.failure(reason(error), perf_counter() - job.submitted)
        return error

    def _say_nothing(self, job: Job, outputs: Mapping[str, Array]) -> None:
        """No rows in, no rows out: most models were never asked that, and some fail."""
        self._answered((job,), (outputs,))

    def _refuse(self, job: Job, full: QueueFull) -> None:
        self._answered((job,), (full,))

    def _gauges(self) -> None:
        queue, gauges = self.queue, self._metrics.gauges
        gauges["mlserve_queue_depth"] = ("Requests waiting for a slot.", lambda: queue.depth)
        gauges["mlserve_queue_age_seconds"] = ("How long the oldest of them waits.", lambda: queue.age)
        gauges["mlserve_queue_predicted_seconds"] = ("How long one more would wait.", lambda: queue.predicted_wait)
        gauges["mlserve_slots_busy"] = ("Worker threads in the processor.", lambda: queue.running)
        gauges["mlserve_sequences"] = ("Sequences that are open.", lambda: len(self.sequences))
        gauges["nv_inference_pending_request_count"] = ("Requests waiting for a slot.", lambda: queue.depth)


def _ended(end: Callable[[BaseException | None], None], outcome: Outcome) -> None:
    end(outcome if isinstance(outcome, BaseException) else None)


def _whole(
    part: Callable[[Mapping[str, Any]], None], end: Callable[[BaseException | None], None], outcome: Outcome
) -> None:
    if not isinstance(outcome, BaseException):
        part(outcome)
    _ended(end, outcome)


def _too_late(job: Job) -> Expired:
    seconds = (job.expires if job.running else job.start_by) - job.submitted
    return Expired(f"no answer within {seconds:.6g} s" if job.running else f"not begun within {seconds:.6g} s")


def _alike(metadata: Metadata) -> bool:
    """Any two requests may share a call, or none may: their inputs need not be looked at."""
    plain = all(
        tensor.datatype and not tensor.optional and tensor.shape is not None and -1 not in tensor.shape[1:]
        for tensor in metadata.inputs
    )
    return not metadata.rows or (plain and not metadata.open)


def _form(inputs: Mapping[str, Array]) -> object:
    """What is equal for requests that may share a call."""
    return tuple(sorted((name, array.dtype.str, array.shape[1:]) for name, array in inputs.items()))


__all__ = ["USUAL", "Dispatcher", "Expired", "Job", "Outcome", "QueueFull", "Stream"]
