"""WebSockets: one connection, any number of requests, their answers as they come."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

if TYPE_CHECKING:
    from mlserve.runtime.http.listener import HttpServer

_AHEAD = 4 << 20
"""Bytes of requests in work, above which no more are read."""
_MANY = 64
_SILENCE = 20.0
"""Seconds without a byte until the client is asked whether it is there."""
_PATIENCE = 20.0
_MUCH = 256 << 10
_KEY = 16
_PIECES = 1024
_SMALL, _MANY_SMALL = 256, 2000
"""Bytes of a fragment that nobody needs to send alone, and how many are taken between two looks at the clock."""
_LEAVE = CloseReason.GOING_AWAY


class Talk(Protocol):
    """What happens on one connection."""

    @property
    def busy(self) -> bool:
        """A request is in work."""

    def message(self, message: str | bytes, size: int) -> None:
        """The next one."""

    def room(self) -> None:
        """The client has taken most of what it was sent."""

    def look(self) -> None:
        """Called now and then."""

    def gone(self) -> None:
        """The client has left."""


class WebSocket(asyncio.Protocol):
    """A client, from its request for a WebSocket on."""

    def __init__(self, server: HttpServer, talk: Callable[[WebSocket], Talk]) -> None:
        self._server = server
        self._transport: Any = None
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._parts: list[str | bytes] = []
        self._size = self._held = self._count = self._joined = self._taken = self._small = 0
        self._paused = self._reading_paused = self._over = False
        self._since, self._asked, self._unread = server.now, 0.0, 0
        self._read_at = server.now
        self._talk = talk(self)

    def begin(self, transport: Any, target: str, headers: Mapping[bytes, bytes], rest: bytes) -> None:
        """Take the connection over; ``rest`` came behind its request."""
        self._transport = transport
        transport.set_protocol(self)
        self._server.connections.add(self)
        try:
            self._protocol.initiate_upgrade_connection(list(headers.items()), target)
            (asked,) = self._protocol.events()
            assert isinstance(asked, Request)  # noqa: S101 - nothing else can be the first
            if len(b64decode(headers[b"sec-websocket-key"], validate=True)) != _KEY:
                raise ValueError("sec-websocket-key holds 16 bytes in base64")
        except (RemoteProtocolError, ValueError) as exc:
            hint = exc.event_hint if isinstance(exc, RemoteProtocolError) else None
            self._end(hint or RejectConnection(status_code=400))
            return
        self._send(AcceptConnection())
        if rest:
            self.data_received(rest)

    # asyncio calls these

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._since, self._asked = self._server.now, 0.0
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if self._over:
                    return
                self._on(event)
        except RemoteProtocolError as exc:
            self._end(exc.event_hint or CloseConnection(CloseReason.PROTOCOL_ERROR, str(exc)[:100]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._server.unread.done(self)
        self._end(None)

    def pause_writing(self) -> None:
        self._paused, self._unread = True, self._transport.get_write_buffer_size()
        self._read_at = self._server.now
        self._server.unread.keep(self, self._unread, self._read_at)
        self._pace()

    def resume_writing(self) -> None:
        self._paused = False
        self._server.unread.done(self)
        self._pace()
        self._talk.room()

    @property
    def read_at(self) -> float:
        if self._transport.get_write_buffer_size() < self._unread:
            return self._server.now  # since the last look
        return self._read_at

    def give_up(self) -> None:
        self._transport.abort()

    # the talk calls these

    def send(self, message: str | bytes) -> None:
        """One message."""
        if not self._over:
            event: Event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
            self._send(event)

    @property
    def crowded(self) -> bool:
        return self._paused or bool(self._transport.get_write_buffer_size() > _MUCH)

    def done(self, size: int) -> None:
        """A request of that size is answered."""
        if self._over:
            return
        self._held -= size
        self._count -= 1
        self._server.room.give(size)
        self._pace()
        if self._server.draining and not self._talk.busy:
            self._end(CloseConnection(_LEAVE))

    # the listener calls these

    @property
    def busy(self) -> bool:
        """A request is in work, or its answer is not all with the client yet."""
        return self._talk.busy or bool(self._transport.get_write_buffer_size())

    def look(self) -> None:
        """Has this client waited too long, or left?"""
        now, limits = self._server.now, self._server.limits
        self._small = 0
        self._talk.look()
        if self._paused:
            unread, self._unread = self._unread, self._transport.get_write_buffer_size()
            if self._unread < unread:
                self._read_at = now
            elif now - self._read_at > limits.write_seconds:
                self._transport.abort()
        elif self._over:
            if now - self._since > limits.linger_seconds:
                self._transport.abort()
        elif self._server.draining and not self._talk.busy:
            self._end(CloseConnection(_LEAVE))
        elif self._asked:
            if now - self._asked > _PATIENCE:
                self._transport.abort()
        elif now - self._since > _SILENCE and not self._reading_paused:
            self._asked = now
            self._send(Ping())

    def close(self) -> None:
        """Hang up; what is in work is lost."""
        self._end(CloseConnection(_LEAVE))

    def _on(self, event: Event) -> None:
        if isinstance(event, Message):
            self._add(event)
        elif isinstance(event, Ping):
            self._send(event.response())
        elif isinstance(event, CloseConnection):
            self._end(None if self._protocol.state is ConnectionState.CLOSED else event.response())

    def _add(self, event: Message[Any]) -> None:
        size = len(event.data) if isinstance(event.data, bytes | bytearray) else len(event.data.encode())
        self._size += size
        if size < _SMALL and not event.message_finished:
            self._small += 1
            if self._small > _MANY_SMALL:
                self._end(CloseConnection(CloseReason.POLICY_VIOLATION, "too many tiny fragments"))
                return
        limit = self._server.limits.body
        if self._size > limit:
            words = f"a message is larger than {limit} bytes"
            self._end(CloseConnection(CloseReason.MESSAGE_TOO_BIG, words))
            return
        if self._server.room.lacks(size):
            self._end(CloseConnection(CloseReason.TRY_AGAIN_LATER, "no room for another message just now"))
            return
        self._taken += size
        self._server.room.take(size)  # from the first piece on: many clients may send half of something large
        if size or not self._parts:
            self._keep(bytes(event.data) if isinstance(event.data, bytearray) else event.data)
        if event.message_finished:
            self._whole()

    def _whole(self) -> None:
        parts, size = self._parts, self._size
        self._parts, self._size, self._joined, self._taken = [], 0, 0, 0
        self._held += size
        self._count += 1
        whole = parts[0] if len(parts) == 1 else _join(parts)
        self._server.requests += 1
        self._talk.message(whole, size)
        self._pace()

    def _keep(self, part: str | bytes) -> None:
        """Small pieces become one now and then: they cost 20 times what they hold."""
        parts = self._parts
        parts.append(part)
        if len(parts) - self._joined == _PIECES:
            parts[self._joined :] = [_join(parts[self._joined :])]
            self._joined += 1

    def _pace(self) -> None:
        """Read on only while there is little to do and the client takes its answers."""
        if self._transport.is_closing():
            return
        wait = self._paused or self._held > _AHEAD or self._count >= _MANY
        if wait and not self._reading_paused:
            self._transport.pause_reading()
        elif self._reading_paused and not wait:
            self._transport.resume_reading()
        self._reading_paused = wait

    def _send(self, event: Event) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._protocol.send(event))

    def _end(self, event: Event | None) -> None:
        """Say goodbye, and hang up."""
        if self._over:
            return
        self._over = True
        if event is not None:
            self._send(event)
        self._server.room.give(self._held + self._taken)
        self._held, self._taken, self._parts = 0, 0, []
        self._transport.close()
        self._talk.gone()


def _join(parts: list[str | bytes]) -> str | bytes:
    return ("" if isinstance(parts[0], str) else b"").join(parts)  # type: ignore[arg-type] # all are of one kind
