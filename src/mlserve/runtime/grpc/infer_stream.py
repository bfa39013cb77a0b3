"""ModelStreamInfer: any number of requests in one call, each with its answers or its own error, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mlserve.runtime.grpc import wire
from mlserve.runtime.grpc.calls import Many
from mlserve.runtime.grpc.infer import Infer, to_call
from mlserve.runtime.grpc.requests import InferRequest
from mlserve.runtime.protocols.base import Call
from mlserve.runtime.scheduling.dispatch import Dispatcher
from mlserve.runtime.trouble import Trouble
from mlserve.runtime.turns import Turns

if TYPE_CHECKING:
    from mlserve.runtime.observe.exchange import Exchange

_ERROR, _RESPONSE = 1, 2


class _Asked(NamedTuple):
    request: InferRequest
    call: Call


class InferStream:
    """One call."""

    def __init__(self, infer: Infer, call: Many) -> None:
        self._infer, self._call = infer, call
        self._turns = Turns(self)
        self.path = call.stream.head.path.decode("latin-1")
        self.deadline = infer.deadline(None)
        call.stream.on_room = self._turns.room

    # the call says these

    def message(self, message: bytes | memoryview) -> None:
        self._turns.take(message, len(message))

    def over(self) -> None:
        self._turns.no_more()

    def gone(self) -> None:
        self._turns.gone()

    # the turns ask these

    def dispatcher(self) -> Dispatcher:
        return self._infer.serving.dispatcher

    def watch(self, size: int) -> Exchange | None:
        return self._infer.watch(self._call.stream, size)

    def read(self, message: bytes | memoryview) -> _Asked:
        request = self._infer.read(self._infer.serving, message, self._call.stream)
        return _Asked(request, to_call(request))

    def part(self, asked: _Asked, outputs: Mapping[str, Any]) -> bytes:
        final = not self._streams if asked.request.head.final else None
        parts, size = self._infer.serving.writer.write(asked.request, outputs, final)
        return b"".join((wire.head(_RESPONSE, size), *parts))

    def last(self, asked: _Asked) -> bytes | None:
        if not asked.request.head.final or not self._streams:
            return None
        return wire.field(_RESPONSE, self._infer.serving.writer.empty(asked.request.identity))

    def trouble(self, asked: _Asked | None, why: Trouble) -> bytes:
        message = wire.field(_ERROR, why.text.encode("utf-8", "replace"))
        if asked is None:
            return message
        empty = self._infer.serving.writer.empty(asked.request.identity, final=asked.request.head.final)
        return message + wire.field(_RESPONSE, empty)

    def send(self, message: bytes) -> None:
        self._call.send(message)

    @property
    def crowded(self) -> bool:
        return self._call.stream.crowded

    def done(self, size: int, status: int) -> None:
        self._infer.metrics.answered(status, "grpc")
        self._call.done(size)

    def finished(self) -> None:
        self._call.end()

    @property
    def _streams(self) -> bool:
        return self._infer.serving.model.signature.metadata.streams
