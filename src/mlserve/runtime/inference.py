"""One inference request over HTTP: decode, submit, encode; or a row of answers as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlserve.errors import InvalidInput
from mlserve.runtime.beside import Beside
from mlserve.runtime.http.encodings import unpack
from mlserve.runtime.http.expansion import LARGE, Expansion
from mlserve.runtime.http.request import JSON, Request
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.pipeline import timing
from mlserve.runtime.protocols.base import Call, RequestFormat, StreamCall, dump_json
from mlserve.runtime.scheduling.dispatch import Dispatcher, Job, Outcome, QueueFull, Stream
from mlserve.runtime.spec import Spec
from mlserve.runtime.trouble import Trouble, trouble

if TYPE_CHECKING:
    from mlserve.runtime.observe.observer import Observer

_COUNTED = 64 << 10
"""Bytes that a body grows by when it is unpacked, from which on they count."""
CLIENT_GONE = 499
"""Nobody is told; logs and traces are."""
_DIGITS = 12
_LEFT = b"x-envoy-expected-rq-timeout-ms"
_UNREADABLE = "decoding the request failed"
_UNWRITABLE = "the processor's outputs can't be written"
_AS_IT_COMES = b"cache-control: no-cache\r\n"


class Inference:
    """Answers requests whose path belongs to a request format."""

    def __init__(self, dispatcher: Dispatcher, spec: Spec, metrics: Metrics, observer: Observer | None = None) -> None:
        self._dispatcher, self._metrics, self._observer = dispatcher, metrics, observer
        self._beside = Beside()
        self._deadline, self._max_body = spec.keepalive_ms / 1000, spec.max_body
        self._timed = bool(spec.pipeline)
        self._expansion = Expansion(spec.memory_mb << 20)

    def begin(self, form: RequestFormat, decode: Callable[[Request], Call], request: Request) -> None:
        """Take a request in. Never raises: whatever goes wrong is the request's answer."""
        begun = perf_counter()
        if self._observer is not None:
            self._observer.watch(request)
        try:
            if b"content-encoding" in request.headers:
                self._unpack(request)
            if len(request.body) >= LARGE:
                self._expansion.check(request)
            call = decode(request)
        except Exception as exc:  # noqa: BLE001 - one odd body must not take the connection or the server with it
            self._metrics.failure("bad-request" if isinstance(exc, InvalidInput) else "processor")
            self.refuse(request, form, exc, _UNREADABLE)
            return
        self._metrics.input_seconds += perf_counter() - begun
        if call.prepare is None:
            self._submit(request, form, call)
            return
        prepare = call.prepare
        call.prepare = None  # it refers to its call, which would keep the body until somebody looks for such rings
        request.on_gone = _forget  # so that it counts as answered
        self._beside.run(prepare, partial(self._prepared, request, form, call))

    def _unpack(self, request: Request) -> None:
        """Without its Content-Encoding a body takes more of the room for bodies."""
        packed = request.body
        plain = unpack(packed, request.headers[b"content-encoding"], self._max_body)
        grown = len(plain) - len(packed)
        if grown > _COUNTED and not request.hold(grown):
            raise QueueFull(1, "bodies of other requests fill the memory for them; try again later")
        request.body = plain

    def _prepared(self, request: Request, form: RequestFormat, call: Call, outcome: Any) -> None:
        if request.answered:
            return
        if isinstance(outcome, BaseException):
            self._metrics.failure("bad-request" if isinstance(outcome, InvalidInput) else "processor")
            self.refuse(request, form, outcome, _UNREADABLE)
        else:
            self._submit(request, form, call)

    def _submit(self, request: Request, form: RequestFormat, call: Call) -> None:
        seen = request.seen
        if seen is not None:
            seen.follow(call)
        if self._timed and request.headers.get(timing.HEADER) in timing.YES:
            call.parameters = {**call.parameters, timing.PARAMETER: True}
        try:
            if isinstance(call, StreamCall):
                self._stream(request, form, call)
                return
            left = self._deadline if _LEFT not in request.headers else self._left(request)
            job = self._dispatcher.submit(call, partial(self._done, request, call, form), left)
        except Exception as exc:  # noqa: BLE001 - as above; mostly there is no room
            self.refuse(request, form, exc, "queueing the request failed")
            return
        if seen is not None:
            seen.job = job
        if not request.answered:
            request.on_gone = partial(self._gone, request, job)

    def refuse(
        self, request: Request, form: RequestFormat, error: BaseException, what: str = "the processor failed"
    ) -> None:
        """Answer with an error."""
        why = trouble(error, path=request.path, what=what)
        body = _words(why)
        if isinstance(error, InvalidInput):
            try:
                body = form.error(error)
            except Exception as exc:  # noqa: BLE001 - a user's error may hold anything
                why = trouble(exc, path=request.path, what="the error can't be written")
                body = _words(why)
        self._metrics.answered(why.status)
        request.reply(why.status, body, extra=overloaded(why))

    def _done(self, request: Request, call: Call, form: RequestFormat, outcome: Outcome) -> None:
        if isinstance(outcome, BaseException):
            self.refuse(request, form, outcome)
            return
        begun = perf_counter()
        if request.seen is not None:
            request.seen.computed, request.seen.outputs = begun, outcome
        if call.slow:
            self._beside.run(partial(call.encode, outcome), partial(self._written, request, form))
            return
        try:
            body, kind, extra = call.encode(outcome)
        except Exception as exc:  # noqa: BLE001 - a user's output may hold anything
            self._dispatcher.spoiled(exc)
            self.refuse(request, form, exc, _UNWRITABLE)
            return
        self._metrics.output_seconds += perf_counter() - begun
        if self._timed and request.headers.get(timing.HEADER) in timing.YES:
            extra += timing.header_line(outcome)
        if call.status >= 400:
            self._dispatcher.spoiled(InvalidInput("the processor answered with an error of its own"))
        self._metrics.answered(call.status)
        request.reply(call.status, body, kind or JSON, extra)

    def _gone(self, request: Request, job: Job) -> None:
        self._dispatcher.drop(job)
        if request.seen is not None:
            request.seen.finish(CLIENT_GONE, 0)

    def _written(self, request: Request, form: RequestFormat, reply: Any) -> None:
        if isinstance(reply, BaseException):
            self._dispatcher.spoiled(reply)
            self.refuse(request, form, reply, _UNWRITABLE)
            return
        body, kind, extra = reply
        self._metrics.answered(200)
        request.reply(200, body, kind or JSON, extra)

    def _cancelled(self, request: Request, stream: Stream) -> None:
        stream.cancel()
        if request.seen is not None:
            request.seen.finish(CLIENT_GONE, request.seen.sent)

    def _stream(self, request: Request, form: RequestFormat, call: StreamCall) -> None:
        answers = _Answers(request, call, partial(self.refuse, request, form), self._metrics)
        stream = self._dispatcher.stream(call, answers.part, answers.end, self._left(request))
        if request.seen is not None:
            request.seen.job = stream
        answers.stream = stream
        request.on_gone = partial(self._cancelled, request, stream)
        request.on_drain = stream.resume

    def _left(self, request: Request) -> float:
        """Seconds: ours, or what a gateway's are if these are fewer."""
        asked = request.headers.get(_LEFT, b"")
        if asked.isdigit() and len(asked) < _DIGITS and int(asked):
            return min(self._deadline, int(asked) / 1000)
        return self._deadline


class _Answers:
    """Writes a row of answers: the head with the first one, so that an error before it keeps its own status."""

    def __init__(
        self, request: Request, call: StreamCall, refuse: Callable[[BaseException, str], None], metrics: Metrics
    ) -> None:
        self._request, self._call, self._refuse, self._metrics = request, call, refuse, metrics
        self.stream: Stream | None = None

    def part(self, outputs: Mapping[str, Any]) -> None:
        try:
            data, _, extra = self._call.encode(outputs)
        except Exception as exc:  # noqa: BLE001 - a user's output may hold anything
            if self.stream is not None:
                self.stream.cancel(exc)
            self._break_off(exc, _UNWRITABLE)
            return
        if not self._request.answered:
            self._begin(extra)
        if not self._request.write(data) and self.stream is not None:
            self.stream.pause()

    def end(self, error: BaseException | None) -> None:
        if error is not None:
            self._break_off(error, "the processor failed")
            return
        self.stream = None  # each refers to the other
        if not self._request.answered:  # no answer at all is one, too
            self._begin()
        self._request.end()

    def _begin(self, extra: bytes = b"") -> None:
        self._metrics.answered(200)
        self._request.begin(200, self._call.kind, _AS_IT_COMES + extra)

    def _break_off(self, error: BaseException, what: str) -> None:
        self.stream = None
        if not self._request.answered:
            self._refuse(error, what)
            return
        why = trouble(error, path=self._request.path, what=what)
        self._request.write(self._call.fail(why.text, why.code))
        self._request.end()


def _forget() -> None:
    """The client left while its body was being read."""


def overloaded(why: Trouble) -> bytes:
    """The header lines that tell a gateway to try elsewhere, and a client when to try again."""
    return b"retry-after: %d\r\nx-mlserve-overloaded: 1\r\n" % why.retry_after if why.retry_after else b""


def _words(why: Trouble) -> bytes:
    return dump_json({"error": why.text, "code": why.code})
