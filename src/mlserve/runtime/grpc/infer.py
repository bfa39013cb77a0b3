"""ModelInfer: a message in, a call of the model, a message out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlserve.errors import InvalidInput
from mlserve.runtime.grpc import status
from mlserve.runtime.grpc.calls import One
from mlserve.runtime.grpc.replies import InferWriter
from mlserve.runtime.grpc.requests import InferReader, InferRequest
from mlserve.runtime.grpc.status import Refused
from mlserve.runtime.inference import CLIENT_GONE
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protocols.base import Call, Reply
from mlserve.runtime.protocols.known_as import also_known_as
from mlserve.runtime.protocols.v2_reply import ReplyWriter
from mlserve.runtime.scheduling.dispatch import Job, Outcome

if TYPE_CHECKING:
    from mlserve.runtime.app import App
    from mlserve.runtime.http2.stream import Stream
    from mlserve.runtime.observe.exchange import Exchange


class Serving:
    """What there is once the model is loaded."""

    def __init__(self, app: App, messages: Mapping[str, Any]) -> None:
        if app.model is None or app.dispatcher is None:
            raise Refused(status.UNAVAILABLE, "the model is still being loaded")
        self.model, self.dispatcher = app.model, app.dispatcher
        self.reader = InferReader(app.model, messages["ModelInferRequest"], ReplyWriter(app.model))
        self.writer = InferWriter(app.model, messages)


class Infer:
    """Runs calls."""

    def __init__(self, app: App, messages: Mapping[str, Any], metrics: Metrics, deadline: float) -> None:
        self._app, self._messages, self._metrics = app, messages, metrics
        self._deadline = deadline
        self._serving: Serving | None = None

    @property
    def serving(self) -> Serving:
        """Raises Refused as long as the model is being loaded."""
        if self._serving is None:
            self._serving = Serving(self._app, self._messages)
        return self._serving

    @property
    def metrics(self) -> Metrics:
        return self._metrics

    def deadline(self, timeout: float | None) -> float:
        """Seconds for one request."""
        return self._deadline if timeout is None else min(self._deadline, timeout)

    def watch(self, stream: Stream, size: int) -> Exchange | None:
        """For those who watch, where anybody does."""
        observer = self._app.observer
        if observer is None:
            return None
        head = stream.head
        return observer.begin("grpc", head.method, head.path.decode("latin-1"), head.headers, size)

    def run(self, call: One, message: bytes | memoryview) -> None:
        """Answer a call, later."""
        begun, seen = perf_counter(), self.watch(call.stream, len(message))
        try:
            serving = self.serving
            request = self.read(serving, message, call.stream)
            made = to_call(request)
            self._metrics.input_seconds += perf_counter() - begun
            if seen is not None:
                seen.follow(made)
            done = partial(self._done, serving, call, request, seen)
            job = serving.dispatcher.submit(made, done, self.deadline(call.stream.head.timeout))
        except Exception as exc:  # noqa: BLE001 - one odd message must not take the connection or the server with it
            self._failed(call, seen, exc, "reading the request failed")
            return
        if seen is not None:
            seen.job = job
        if not job.answered:
            call.on_gone = partial(_gone, serving, job, seen)

    def read(self, serving: Serving, message: bytes | memoryview, stream: Stream) -> InferRequest:
        """A request; what can't be used is counted."""
        try:
            return serving.reader.read(message, also_known_as(stream.head.headers))
        except Exception as exc:
            self._metrics.failure("bad-request" if isinstance(exc, InvalidInput) else "processor")
            raise

    def _done(
        self, serving: Serving, call: One, request: InferRequest, seen: Exchange | None, outcome: Outcome
    ) -> None:
        call.on_gone = None
        if isinstance(outcome, BaseException):
            self._failed(call, seen, outcome, "the processor failed")
            return
        begun = perf_counter()
        if seen is not None:
            seen.computed, seen.outputs = begun, outcome
        try:
            parts, size = serving.writer.write(request, outcome)
        except Exception as exc:  # noqa: BLE001 - a user's output may hold anything
            serving.dispatcher.spoiled(exc)
            self._failed(call, seen, exc, "the processor's outputs can't be written")
            return
        self._metrics.output_seconds += perf_counter() - begun
        self._metrics.answered(200, "grpc")
        call.answer(parts, size)
        if seen is not None:
            seen.finish(200, size)

    def _failed(self, call: One, seen: Exchange | None, error: BaseException, what: str) -> None:
        status = call.explain(error, what).status
        self._metrics.answered(status, "grpc")
        if seen is not None:
            seen.finish(status, 0)


def _gone(serving: Serving, job: Job, seen: Exchange | None) -> None:
    serving.dispatcher.drop(job)
    if seen is not None:
        seen.finish(CLIENT_GONE, 0)


def to_call(request: InferRequest) -> Call:
    """As the model's door takes it."""
    inputs, head = request.inputs, request.head
    made = Call(inputs, head.rows, _elsewhere, identity=request.identity)
    if head.wishes:
        wishes = head.wishes
        made.parameters = wishes.get("parameters", made.parameters)
        made.priority = wishes.get("priority", 0)
        made.timeout = wishes.get("timeout")
        made.sequence = wishes.get("sequence")
    return made


def _elsewhere(outputs: Mapping[str, Any]) -> Reply:
    raise AssertionError("a gRPC call writes its own answers")
