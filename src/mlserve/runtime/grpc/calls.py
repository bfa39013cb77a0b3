"""Calls as streams of HTTP/2: one message and one answer, or many of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mlserve.runtime.grpc import framing, status
from mlserve.runtime.grpc.framing import Unframer
from mlserve.runtime.grpc.status import Refused
from mlserve.runtime.http.pieces import Pieces
from mlserve.runtime.http2 import hpack
from mlserve.runtime.http2.stream import Stream
from mlserve.runtime.trouble import Trouble, trouble

_ACCEPT = (b"grpc-accept-encoding", framing.ACCEPTED)
_NO_ROOM = "this instance has no room for another message just now"
_MUCH = 1 << 20
"""Bytes of messages in work, above which a client has to wait with more."""


class Call:
    """One call: its answer and its end. ``on_gone`` is called when the client has given up."""

    __slots__ = ("on_gone", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.on_gone: Callable[[], None] | None = None

    def answer(self, parts: list[bytes], size: int) -> None:
        """The one answer."""
        self.stream.answer(status.HEAD, [framing.prefix(size), *parts], size + framing.PREFIX, status.DONE)

    def send(self, message: bytes) -> None:
        """One of many answers."""
        stream = self.stream
        stream.begin(status.HEAD)
        stream.send((framing.prefix(len(message)), message), len(message) + framing.PREFIX)

    def end(self) -> None:
        """No more answers."""
        self.stream.begin(status.HEAD)
        self.stream.finish(status.DONE)

    def fail(self, code: int, message: str, retry_after: int = 0) -> None:
        """End with an error."""
        fields = status.trailers(code, message, retry_after)
        if self.stream.started:
            self.stream.finish(hpack.encode(fields))
        else:
            head = [(b":status", b"200"), (b"content-type", b"application/grpc")]
            more = [_ACCEPT] if code == status.UNIMPLEMENTED else []
            self.stream.begin(hpack.encode([*head, *fields, *more]), last=True)

    def explain(self, error: BaseException, what: str = "the processor failed") -> Trouble:
        """End with the error that went wrong, and give it in words."""
        why = trouble(error, path=self.stream.head.path.decode("latin-1"), what=what)
        if isinstance(error, Refused):
            why = replace(why, status=status.http_of(error.grpc))
        code = error.grpc if isinstance(error, Refused) else status.code_of(why)
        self.fail(code, why.text, why.retry_after)
        return why


class One(Call):
    """Takes one message, whole; ``run`` answers it now or later."""

    __slots__ = ("_limit", "_pieces", "_run", "_size")

    def __init__(self, stream: Stream, run: Callable[[One, bytes | memoryview], None], limit: int) -> None:
        super().__init__(stream)
        self._run = run
        self._limit = limit
        self._pieces = Pieces()
        self._size = 0

    def data(self, chunk: bytes) -> None:
        self._pieces.add(chunk)
        self._size += len(chunk)
        if self._size > self._limit + framing.PREFIX:
            self.fail(status.RESOURCE_EXHAUSTED, f"a message larger than {self._limit} bytes")
        elif not self.stream.hold(len(chunk)):
            self.fail(status.RESOURCE_EXHAUSTED, _NO_ROOM, 1)
        else:
            self.stream.grant(len(chunk))

    def ended(self) -> None:
        data = self._pieces.take()
        try:
            message = framing.only_message(data, self.stream.head.encoding, self._limit)
            if len(message) > len(data) and not self.stream.hold(len(message) - len(data)):  # it was compressed
                self.fail(status.RESOURCE_EXHAUSTED, _NO_ROOM, 1)
            else:
                self._run(self, message)
        except Exception as exc:  # noqa: BLE001 - one odd message must not take the connection with it
            self.explain(exc, "the call failed")

    def gone(self) -> None:
        self._pieces.take()
        if self.on_gone is not None:
            self.on_gone()


class Talk(Protocol):
    """What happens in a call of many messages."""

    def message(self, message: bytes | memoryview) -> None:
        """The next one."""

    def over(self) -> None:
        """The client says no more."""

    def gone(self) -> None:
        """The client has given up."""


class Many(Call):
    """Takes any number of messages and hands them to a `Talk`, at the pace in which that is `done` with them."""

    __slots__ = ("_held", "_owed", "_talk", "_timer", "_unframer")

    def __init__(self, stream: Stream, talk: Callable[[Many], Talk], limit: int) -> None:
        super().__init__(stream)
        self._unframer = Unframer(stream.head.encoding, limit)
        self._held = self._owed = 0
        self._timer: asyncio.TimerHandle | None = None
        stream.lasting = True
        self._talk: Talk = talk(self)
        if stream.head.timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(stream.head.timeout, self._too_late)

    def data(self, chunk: bytes) -> None:
        before = self._unframer.pending
        try:
            messages = self._unframer.feed(chunk)
        except Refused as exc:
            self.explain(exc)
            return
        if not self._hold(self._unframer.pending - before + sum(map(len, messages))):
            self.fail(status.RESOURCE_EXHAUSTED, _NO_ROOM, 1)
            return
        for message in messages:
            if not self.stream.closed:
                self._talk.message(message)
        self._owed += len(chunk)
        self._grant()

    def ended(self) -> None:
        if self._unframer.pending:
            self.fail(status.INTERNAL, "the call ended before its message was whole")
        else:
            self._talk.over()

    def done(self, size: int) -> None:
        """A message of that size is used: another may come."""
        self._hold(-size)
        self._grant()

    def gone(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._talk.gone()

    def _hold(self, size: int) -> bool:
        if self.stream.closed:
            return True
        self._held += size
        return self.stream.hold(size)

    def _grant(self) -> None:
        """As long as there is little to do; what is not whole yet has to become so."""
        if self._held - self._unframer.pending < _MUCH:
            self.stream.grant(self._owed)
            self._owed = 0

    def _too_late(self) -> None:
        self.fail(status.DEADLINE_EXCEEDED, "the deadline of the call (grpc-timeout) has passed")
