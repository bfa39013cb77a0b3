"""What is said on a WebSocket: requests of the Open Inference Protocol, or of the simplified format, and their answers.

Text is JSON as over HTTP. A binary message on ``/v2/models/NAME/stream`` is four bytes (little-endian) with the length
of its JSON header, the header, and the tensors behind it; with a length of 0, the bytes of the model's one input. A
binary message on ``/ws`` is the bytes of the one input. One connection is one sequence, unless a request names another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.processors.base import Sequence
from mlserve.runtime.protocols.base import Call, Model, check_object, dump_json, jsonable, parse_json
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.v2 import V2, v2_bases
from mlserve.runtime.scheduling.dispatch import Dispatcher
from mlserve.runtime.trouble import Trouble
from mlserve.runtime.turns import Turns
from mlserve.runtime.websocket.connection import WebSocket

if TYPE_CHECKING:
    from mlserve.runtime.app import App
    from mlserve.runtime.http.listener import HttpServer
    from mlserve.runtime.observe.exchange import Exchange

_LENGTH = b"inference-header-content-length"
_PREFIX = 4


class _Asked(NamedTuple):
    call: Call


class V2Words:
    """The Open Inference Protocol."""

    def __init__(self, model: Model) -> None:
        self._v2 = V2(model)
        self._about = {"model_name": model.service, "model_version": str(model.version)}

    def read(self, message: str | bytes) -> Call:
        if isinstance(message, str):
            return self._v2.decode(Request(None, "POST", b"/", {}, message.encode()))
        if len(message) < _PREFIX:
            raise InvalidInput("a binary message begins with four bytes: the length of its JSON header")
        length = int.from_bytes(message[:_PREFIX], "little")
        return self._v2.decode(Request(None, "POST", b"/", {_LENGTH: b"%d" % length}, message[_PREFIX:]))

    def part(self, call: Call, outputs: Mapping[str, Any]) -> str | bytes:
        body, _, extra = call.encode(outputs)
        if not extra.startswith(_LENGTH):
            return body.decode()
        length = int(extra.partition(b":")[2].partition(b"\r\n")[0])
        return length.to_bytes(_PREFIX, "little") + body

    def last(self, call: Call) -> dict[str, Any]:
        known = {"id": call.identity} if call.identity else {}
        return {**self._about, **known, "outputs": [], "parameters": {"triton_final_response": True}}


class EvalWords:
    """Values by input name, and outputs by theirs."""

    def __init__(self, model: Model) -> None:
        self._eval, self._v2 = Eval(model), V2(model)

    def read(self, message: str | bytes) -> Call:
        if isinstance(message, str):
            return self._eval.call(check_object(parse_json(message.encode()), "an object of tensors by input name"))
        call = self._v2.decode(Request(None, "POST", b"/", {_LENGTH: b"0"}, message))
        call.encode = _by_name
        return call

    def part(self, call: Call, outputs: Mapping[str, Any]) -> str:
        return call.encode(outputs)[0].decode()

    def last(self, call: Call) -> dict[str, Any]:
        return {"final": True}


class Conversation:
    """One connection's, in the words of one of the formats."""

    def __init__(
        self, words: V2Words | EvalWords, model: Model, dispatcher: Dispatcher, metrics: Metrics, deadline: float,
        path: str, watch: Callable[[int], Exchange | None] | None, socket: WebSocket,
    ) -> None:  # fmt: skip
        self._words, self._dispatcher, self._metrics, self._socket = words, dispatcher, metrics, socket
        self._streams = model.signature.metadata.streams
        self._sequence = f"websocket-{uuid4().hex}"
        self._turns = Turns(self)
        self._watch = watch
        self.path, self.deadline = path, deadline

    # the connection says these

    @property
    def busy(self) -> bool:
        return self._turns.busy

    def message(self, message: str | bytes, size: int) -> None:
        self._turns.take(message, size)

    def room(self) -> None:
        self._turns.room()

    def look(self) -> None:
        self._dispatcher.sequences.keep(self._sequence)

    def gone(self) -> None:
        self._turns.gone()
        self._dispatcher.sequences.forget(self._sequence)

    # the turns ask these

    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def watch(self, size: int) -> Exchange | None:
        return self._watch(size) if self._watch is not None else None

    def read(self, message: str | bytes) -> _Asked:
        try:
            call = self._words.read(message)
            prepare, call.prepare = call.prepare, None  # which refers to the call: together they would stay
            if prepare is not None:
                prepare()
        except Exception as exc:
            self._metrics.failure("bad-request" if isinstance(exc, InvalidInput) else "processor")
            raise
        if call.sequence is None:
            call.sequence = Sequence(self._sequence, start=self._sequence not in self._dispatcher.sequences)
        return _Asked(call)

    def part(self, asked: _Asked, outputs: Mapping[str, Any]) -> str | bytes:
        return self._words.part(asked.call, outputs)

    def last(self, asked: _Asked) -> str | None:
        """Of a processor that streams nobody could tell otherwise which answer is the last."""
        return dump_json(self._words.last(asked.call)).decode() if self._streams else None

    def trouble(self, asked: _Asked | None, why: Trouble) -> str:
        known = {"id": asked.call.identity} if asked is not None and asked.call.identity else {}
        later = {"retry_after": why.retry_after} if why.retry_after else {}
        return dump_json({**known, "error": why.text, "code": why.code, **later}).decode()

    def send(self, message: str | bytes) -> None:
        self._socket.send(message)

    @property
    def crowded(self) -> bool:
        return self._socket.crowded

    def done(self, size: int, status: int) -> None:
        self._metrics.answered(status, "websocket")
        self._socket.done(size)

    def finished(self) -> None:
        """A WebSocket ends when one side says so, not with its last request."""


def _by_name(outputs: Mapping[str, Any]) -> tuple[bytes, bytes, bytes]:
    return dump_json({name: jsonable(array) for name, array in outputs.items()}), b"", b""


@dataclass(frozen=True, slots=True)
class Conversations:
    """The WebSockets that an instance offers."""

    server: HttpServer
    app: App
    metrics: Metrics
    deadline: float

    def begin(self, transport: Any, request: Request, rest: bytes) -> bool:
        """Take a connection over, ``rest`` being what came behind its request; false where none is offered there."""
        model, dispatcher = self.app.model, self.app.dispatcher
        if model is None or dispatcher is None:
            return False
        paths: dict[str, Callable[[Model], V2Words | EvalWords]] = {
            f"{base}/stream": V2Words for base in v2_bases(model)
        }
        paths["/ws"] = EvalWords
        words = paths.get(request.path)
        if words is None:
            return False
        path, observer, headers = request.path, self.app.observer, request.headers
        watch = None if observer is None else partial(observer.begin, "websocket", "GET", path, headers)
        talk = partial(Conversation, words(model), model, dispatcher, self.metrics, self.deadline, path, watch)
        WebSocket(self.server, talk).begin(transport, request.path, request.headers, rest)
        return True
