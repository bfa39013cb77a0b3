"""HTTP/1.1 on asyncio: one connection, its requests answered in order, one at a time."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

import httptools

from mlserve.runtime.http.reader import BODY, HEAD, IDLE, Reader, Refused
from mlserve.runtime.http.replying import Replying
from mlserve.runtime.http.request import Request

if TYPE_CHECKING:
    from mlserve.runtime.http.listener import HttpServer

_PROBE_AFTER = 0.05
_HTTP2 = b"PRI"  # what no other request begins with


class Connection(Replying, asyncio.Protocol):
    """A client. Reads through its `Reader`, which hands whole requests to `take`."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server)
        self._reader = Reader(self)
        self._waiting: deque[Request] = deque()
        self._starting = self._reading_paused = self._ended = False
        self._first: bytes | None = b""  # what came while it could still become HTTP/2
        self._last = self._lingering = False  # nothing is read after the request at hand; nor answered
        self._unread = 0  # bytes of a reply that the client has not taken yet

    # asyncio calls these

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            data, self._first = self._first + data, None
            if _HTTP2.startswith(data[:3]):
                self._maybe_http2(data)
                return
        if self._last:
            return
        request = self._reader.known(data)
        if request is not None:
            if self._current is None and not (self._waiting or self._starting or self._writing_paused):
                self._current = request
                self.server.requests += 1
                self.server.handle(request)
                return
            self._waiting.append(request)
        else:
            self._feed(data)
        if self._waiting:
            if self._current is None:
                self._start()
            if self._waiting and not self._reading_paused and self._crowded():
                self._reading_paused = True
                self._transport.pause_reading()

    def _feed(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except Refused as exc:
            self._refuse(exc.status, str(exc), exc.extra)
        except httptools.HttpParserUpgrade as exc:
            if self._is_websocket(data[exc.args[0] :]):
                return
            self._decline_upgrade()

    def _maybe_http2(self, data: bytes) -> None:
        """HTTP/2 from here on, if it begins as that does; its code is loaded by the first client that speaks it."""
        if len(data) < len(_HTTP2):
            self._first = data
            return
        from mlserve.runtime.http2.connection import take_over

        self.server.connections.discard(self)
        take_over(self.server, self._transport, data)

    def eof_received(self) -> bool:
        self._ended = True
        if self._current is None and not self._waiting:
            return False
        asyncio.get_running_loop().call_later(_PROBE_AFTER, self._probe)
        return True  # half-closed: the client may still want its replies

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        self.server.unread.done(self)
        self._reader.release()
        self._forget_waiting()
        gone, self._current = self._current, None
        if gone is None:
            return
        self.server.room.give(gone.held)
        if gone.on_gone is not None:
            gone.answered = True
            gone.on_gone()
            gone.on_gone = gone.on_drain = None

    def pause_writing(self) -> None:
        self._writing_paused, self._since = True, self.server.now
        self._unread = self._transport.get_write_buffer_size()
        self.server.unread.keep(self, self._unread, self._since)

    def resume_writing(self) -> None:
        self._writing_paused, self._since = False, self.server.now
        self.server.unread.done(self)
        if self._current is None:
            self._start()
        elif self._current.on_drain is not None:
            self._current.on_drain()

    @property
    def read_at(self) -> float:
        if self._transport.get_write_buffer_size() < self._unread:
            return self.server.now  # since the last look
        return self._since

    def give_up(self) -> None:
        self._transport.abort()

    # requests, one after the other

    def hold(self, request: Request, size: int) -> bool:
        """A request's body has grown by so many bytes; false, and nothing done, where there is no room for them."""
        room = self.server.room
        if room.lacks(size):
            return False
        room.take(size)
        request.held += size
        return True

    def take(self, request: Request) -> None:
        """A whole request has come."""
        self._waiting.append(request)

    def go_on(self) -> None:
        """The client asks whether it should send the body."""
        if self._current is None and not self._waiting:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _start(self) -> None:
        """Begin waiting requests, as many as are answered at once."""
        if self._starting:
            return
        self._starting = True
        waiting, server, transport = self._waiting, self.server, self._transport
        try:
            while waiting and self._current is None and not self._writing_paused and not transport.is_closing():
                self._current = request = waiting.popleft()
                server.requests += 1
                if request.refusal is None:
                    server.handle(request)
                else:
                    status, reason, extra = request.refusal
                    request.reply(status, json.dumps({"error": reason}).encode(), extra=extra)
        finally:
            self._starting = False
        if self._reading_paused and not transport.is_closing() and self._has_room():
            self._reading_paused = False
            transport.resume_reading()
        if self._ended and self._current is None and not waiting:
            transport.close()

    def _crowded(self) -> bool:
        """More waits than one client should have us keep."""
        limits, waiting = self.server.limits, self._waiting
        return len(waiting) > limits.pipeline or sum(len(request.body) for request in waiting) > limits.body

    def _has_room(self) -> bool:
        return len(self._waiting) <= self.server.limits.pipeline // 2 and not self._crowded()

    def _forget_waiting(self) -> None:
        for request in self._waiting:
            self.server.room.give(request.held)
        self._waiting.clear()

    def _over(self, request: Request, close: bool) -> None:
        self._current = None
        self._since = self.server.now
        if request.held:
            self.server.room.give(request.held)
        if close:
            self._hang_up(request)
        elif self._waiting or self._ended:
            self._start()

    def _refuse(self, status: int, reason: str, extra: bytes = b"") -> None:
        """Answer what can't become a request, after the replies that are due before it, and hang up."""
        if self._last:
            return
        self._last = True
        request = Request.of(self, self._reader.stop(), b"")
        request.refusal = (status, reason, extra)
        self._waiting.append(request)

    def _is_websocket(self, rest: bytes) -> bool:
        """A WebSocket from here on, where one is wished for, offered, and nothing else waits for its answer."""
        begin = self.server.websocket
        if begin is None or self._current is not None or len(self._waiting) != 1:
            return False
        request = self._waiting[0]
        if request.headers.get(b"upgrade", b"").lower() != b"websocket" or not begin(self._transport, request, rest):
            return False
        self._last = True
        self._waiting.clear()
        self.server.connections.discard(self)
        return True

    def _decline_upgrade(self) -> None:
        """Answer in plain HTTP/1.1 and close: what follows would be another protocol."""
        if not self._waiting:
            self._refuse(400, "no other protocol is offered here")
        elif {b"content-length", b"transfer-encoding"} & self._waiting[-1].headers.keys():  # llhttp skips the body
            self._waiting.pop()
            self._refuse(400, "a request with a body can't also ask for another protocol here; leave out Upgrade")
        else:
            self._waiting[-1].keep_alive = False
            self._last = True

    def _hang_up(self, request: Request) -> None:
        """No more requests; read on for a while where the client may still be sending, else it would lose the reply."""
        self._last = True
        if (request.refusal is None and not self._waiting) or self._ended:
            self._transport.close()
            return
        self._forget_waiting()
        self._lingering, self._since = True, self.server.now
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._reading_paused:
            self._transport.resume_reading()

    # time

    @property
    def busy(self) -> bool:
        """A request arrives, is in work, or its reply is not all with the client yet."""
        if self._current is not None or self._waiting or self._reader.state != IDLE:
            return True
        return bool(self._transport.get_write_buffer_size())

    def look(self) -> None:
        """Has this client waited too long, or left?"""
        limits, reading = self.server.limits, self._reader
        age = self.server.now - max(self._since, reading.since)
        if self._writing_paused:
            unread, self._unread = self._unread, self._transport.get_write_buffer_size()
            if self._unread < unread:
                self._since = self.server.now  # slow, but it reads
            elif age > limits.write_seconds:
                self._transport.abort()
        elif self._lingering:
            if age > limits.linger_seconds:
                self._transport.abort()
        elif self._current is not None or self._waiting:
            if self._ended:
                self._check_gone()
        elif reading.state == HEAD and age > limits.head_seconds:
            self._refuse_slow(f"no whole request head within {limits.head_seconds:g} s")
        elif reading.state == BODY and age > limits.body_seconds:
            self._refuse_slow(f"no more of the body for {limits.body_seconds:g} s")
        elif reading.state == IDLE and age > limits.idle_seconds:
            self.close()

    def close(self) -> None:
        """Hang up on an idle connection; a busy one is aborted."""
        self._transport.abort() if self.busy else self._transport.close()

    def _refuse_slow(self, reason: str) -> None:
        self._refuse(408, reason)
        self._start()

    def _probe(self) -> None:
        """A client that closed both ways looks like a half-closed one until something is sent to it."""
        if self._current is None or self._transport.is_closing() or self._begun:
            return
        if not self._current.chunks:
            return  # HTTP/1.0
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        asyncio.get_running_loop().call_later(_PROBE_AFTER, self._check_gone)

    def _check_gone(self) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._transport.abort()
