"""ModelStreamInfer: any number of requests in one call, each with its answers or its own error, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

from mlserve.runtime.dispatch import Stream as Answers
from mlserve.runtime.grpc import wire
from mlserve.runtime.grpc.calls import Many
from mlserve.runtime.grpc.infer import UNWRITABLE, Infer, Serving, to_call
from mlserve.runtime.grpc.requests import InferRequest
from mlserve.runtime.grpc.status import Refused
from mlserve.runtime.trouble import trouble

_AT_ONCE = 16
"""Requests of one call in work at the same time."""
_ERROR, _RESPONSE = 1, 2


class _Turn:
    """One request: its answers wait here until those before it are sent."""

    __slots__ = ("answers", "made", "over", "request", "size")

    def __init__(self, size: int) -> None:
        self.request: InferRequest | None = None
        self.answers: Answers | None = None
        self.made: list[bytes] = []
        self.over = False
        self.size = size


class InferStream:
    """One call."""

    def __init__(self, infer: Infer, message: Any, call: Many) -> None:
        self._infer, self._call = infer, call
        self._error = message
        self._turns: deque[_Turn] = deque()
        self._waiting: deque[bytes | memoryview] = deque()
        self._ended = False
        call.stream.on_room = self._room

    def message(self, message: bytes | memoryview) -> None:
        if len(self._turns) < _AT_ONCE:
            self._begin(message)
        else:
            self._waiting.append(message)

    def over(self) -> None:
        self._ended = True
        self._go_on()

    def gone(self) -> None:
        self._waiting.clear()
        while self._turns:
            answers = self._turns.popleft().answers
            if answers is not None:
                answers.cancel()

    def _begin(self, message: bytes | memoryview) -> None:
        turn = _Turn(len(message))
        self._turns.append(turn)
        try:
            serving = self._infer.serving
            turn.request = self._infer.read(serving, message)
            part, end = partial(self._part, serving, turn), partial(self._end, serving, turn)
            turn.answers = serving.dispatcher.stream(to_call(turn.request), part, end, self._infer.deadline(None))
        except Refused as exc:
            self._fail(turn, str(exc), exc.trouble.status)
        except Exception as exc:  # noqa: BLE001 - one odd message must not take the call, or the server, with it
            self._trouble(turn, exc, "reading the request failed")

    def _part(self, serving: Serving, turn: _Turn, outputs: Mapping[str, Any]) -> None:
        request = turn.request
        assert request is not None  # noqa: S101 - it was submitted
        try:
            final = None
            if request.head.final:
                final = not serving.model.signature.metadata.streams
            parts, size = serving.writer.write(request, outputs, final)
        except Exception as exc:  # noqa: BLE001 - a user's output may hold anything
            if turn.answers is not None:
                turn.answers.cancel(exc)
            self._trouble(turn, exc, UNWRITABLE)
            return
        self._add(turn, b"".join((wire.head(_RESPONSE, size), *parts)))

    def _end(self, serving: Serving, turn: _Turn, error: BaseException | None) -> None:
        if error is not None:
            self._trouble(turn, error, "the processor failed")
            return
        self._infer.metrics.answered(200, "grpc")
        request = turn.request
        if request is not None and request.head.final and serving.model.signature.metadata.streams:
            turn.made.append(wire.field(_RESPONSE, serving.writer.empty(request.identity)))
        turn.over = True
        self._go_on()

    def _trouble(self, turn: _Turn, error: BaseException, what: str) -> None:
        why = trouble(error, path=self._call.stream.head.path.decode("latin-1"), what=what)
        self._fail(turn, why.text, why.status)

    def _fail(self, turn: _Turn, words: str, status: int) -> None:
        """An error is an answer, too: the call goes on."""
        self._infer.metrics.answered(status, "grpc")
        message = wire.field(_ERROR, words.encode("utf-8", "replace"))
        if turn.request is not None:
            empty = self._infer.serving.writer.empty(turn.request.identity, final=turn.request.head.final)
            message += wire.field(_RESPONSE, empty)
        turn.made.append(message)
        turn.over = True
        self._go_on()

    def _add(self, turn: _Turn, message: bytes) -> None:
        turn.made.append(message)
        if turn is not self._turns[0]:
            if turn.answers is not None:
                turn.answers.pause()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Send what is due; begin what has waited."""
        turns, call = self._turns, self._call
        while turns:
            first = turns[0]
            for message in first.made:
                call.send(message)
            first.made.clear()
            if not turns or first is not turns[0]:
                return  # sending ended the call
            if not first.over:
                self._pace(first)
                return
            turns.popleft()
            call.done(first.size)
            if turns and turns[0].answers is not None:
                turns[0].answers.resume()
            if self._waiting and len(turns) < _AT_ONCE:
                self._begin(self._waiting.popleft())
        if self._ended and not self._waiting and not call.stream.closed:
            call.end()

    def _pace(self, turn: _Turn) -> None:
        """As fast as the client takes them."""
        if turn.answers is not None and self._call.stream.crowded:
            turn.answers.pause()

    def _room(self) -> None:
        if self._turns and (answers := self._turns[0].answers) is not None and answers.paused:
            answers.resume()
