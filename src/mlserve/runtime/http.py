"""HTTP/1.1 on asyncio: one connection, its requests answered in order, one at a time."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

import httptools

from mlserve.runtime.request import Request, head, open_head

if TYPE_CHECKING:
    from mlserve.runtime.listener import HttpServer

_IDLE, _HEAD, _BODY, _BUSY, _LINGER = range(5)
_JOIN_BELOW = 32 << 10
_PROBE_AFTER = 0.05
_MANY_PIECES = 1024
_HTTP2 = b"PRI"  # what no other request begins with


class Connection(asyncio.Protocol):
    """A client. ``since``: when its state began, or made progress."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._state, self._since = _IDLE, server.now
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._starting = self._reading_paused = self._writing_paused = self._ended = False
        self._first: bytes | None = b""  # what came while it could still become HTTP/2
        self._last = False  # nothing is read after the request at hand
        self._target, self._size, self._fed = b"", 0, 0
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._joined = 0  # of the chunks, how many are joined ones
        self._unread = 0  # bytes of a reply that the client has not taken yet
        self._keep = True
        self._begun = self._chunked = False  # of a reply in parts

    # asyncio calls these

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            data, self._first = self._first + data, None
            if _HTTP2.startswith(data[:3]):
                self._maybe_http2(data)
                return
        if self._last:
            return
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._decline_upgrade()
        except httptools.HttpParserError as exc:
            refused = exc.__context__
            if isinstance(refused, _Refused):
                self._refuse(refused.status, str(refused))
            else:
                self._refuse(400, f"not HTTP/1.1: {exc}")
        if self._fed > self._server.limits.head and self._state in (_HEAD, _BODY):
            what = "request line and headers" if self._state == _HEAD else "chunk extensions or trailers"
            self._refuse(431, f"{what} are larger than {self._server.limits.head} bytes")
        if self._current is None:
            self._start()
        if self._waiting and not self._reading_paused and self._crowded():
            self._reading_paused = True
            self._transport.pause_reading()

    def _maybe_http2(self, data: bytes) -> None:
        """HTTP/2 from here on, if it begins as that does; its code is loaded by the first client that speaks it."""
        if len(data) < len(_HTTP2):
            self._first = data
            return
        from mlserve.runtime.http2.connection import take_over

        self._server.connections.discard(self)
        take_over(self._server, self._transport, data)

    def eof_received(self) -> bool:
        self._ended = True
        if self._current is None and not self._waiting:
            return False
        asyncio.get_running_loop().call_later(_PROBE_AFTER, self._probe)
        return True  # half-closed: the client may still want its replies

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._waiting.clear()
        gone, self._current = self._current, None
        if gone is not None and gone.on_gone is not None:
            gone.answered = True
            gone.on_gone()
            gone.on_gone = gone.on_drain = None

    def pause_writing(self) -> None:
        self._writing_paused, self._since = True, self._server.now
        self._unread = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self._writing_paused, self._since = False, self._server.now
        if self._current is None:
            self._start()
        elif self._current.on_drain is not None:
            self._current.on_drain()

    # llhttp calls these

    def on_message_begin(self) -> None:
        self._state, self._since = _HEAD, self._server.now
        self._target, self._headers, self._size, self._chunks = b"", {}, 0, []
        self._joined = 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._state == _BODY:
            return  # a trailer says nothing that is waited for here, and must not change a header
        self._headers[name.lower()] = value
        self._size += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        limits, headers = self._server.limits, self._headers
        self._state, self._keep = _BODY, self._parser.should_keep_alive()
        if self._size + len(self._target) > limits.head:
            raise _Refused(431, f"request line and headers are larger than {limits.head} bytes")
        self._size = 0
        if int(headers.get(b"content-length", b"0")) > limits.body:
            raise _Refused(413, f"the body is larger than {limits.body} bytes")
        if (
            b"expect" in headers
            and headers[b"expect"].lower() == b"100-continue"
            and self._current is None
            and not self._waiting
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        chunks = self._chunks
        chunks.append(body)
        if len(chunks) - self._joined == _MANY_PIECES:  # millions of small objects cost 20 times their bytes
            chunks[self._joined :] = [b"".join(chunks[self._joined :])]
            self._joined += 1
        self._size += len(body)
        self._fed = 0
        self._since = self._server.now
        if self._size > self._server.limits.body:
            raise _Refused(413, f"the body is larger than {self._server.limits.body} bytes")

    def on_message_complete(self) -> None:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        request = Request(self, self._parser.get_method().decode("latin-1"), self._target, self._headers, body)
        request.keep_alive = self._keep
        self._chunks = []
        self._waiting.append(request)
        self._state, self._fed, self._since = _IDLE, 0, self._server.now

    # requests, one after the other

    def _start(self) -> None:
        """Begin waiting requests, as many as are answered at once."""
        if self._starting:
            return
        self._starting = True
        try:
            while (
                self._waiting
                and self._current is None
                and not self._writing_paused
                and not self._transport.is_closing()
            ):
                self._current = request = self._waiting.popleft()
                self._server.requests += 1
                if request.refusal is None:
                    self._server.handle(request)
                else:
                    status, reason = request.refusal
                    request.reply(status, json.dumps({"error": reason}).encode())
        finally:
            self._starting = False
        if (
            self._reading_paused
            and len(self._waiting) <= self._server.limits.pipeline // 2
            and not self._crowded()
            and not self._transport.is_closing()
        ):
            self._reading_paused = False
            self._transport.resume_reading()
        if self._ended and self._current is None and not self._waiting:
            self._transport.close()

    def _crowded(self) -> bool:
        """More waits than one client should have us keep."""
        limits, waiting = self._server.limits, self._waiting
        return len(waiting) > limits.pipeline or sum(len(request.body) for request in waiting) > limits.body

    def send(self, request: Request, status: int, body: bytes, content_type: bytes, extra: bytes) -> None:
        """Write a reply and go on to the next request. Does nothing where the client has gone."""
        transport = self._transport
        if request is not self._current or transport.is_closing():
            return
        close = not request.keep_alive or self._server.draining
        extra += self._own_headers(request, close)
        self._write(head(status, len(body), content_type, extra), b"" if request.method == "HEAD" else body)
        self._over(request, close)

    def begin(self, request: Request, status: int, content_type: bytes, extra: bytes) -> None:
        """Write the head of a reply in parts."""
        if request is not self._current or self._transport.is_closing():
            return
        self._chunked = self._parser.get_http_version() != "1.0"
        request.keep_alive = request.keep_alive and self._chunked and not self._server.draining
        extra += self._own_headers(request, not request.keep_alive)
        self._begun, self._since = True, self._server.now
        self._transport.write(open_head(status, content_type, extra, chunked=self._chunked))

    def write(self, request: Request, data: bytes) -> bool:
        """Write a part of the reply; false where the client takes no more for now."""
        if request is not self._current or self._transport.is_closing():
            return True  # nobody is there to wait for
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)
        return not self._writing_paused

    def end(self, request: Request) -> None:
        """The reply is whole."""
        if request is not self._current or self._transport.is_closing():
            return
        self._begun = False
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
        self._over(request, not request.keep_alive)

    def _own_headers(self, request: Request, close: bool) -> bytes:
        headers, extra = request.headers, b""
        if b"x-request-id" in headers:
            extra = b"x-request-id: " + headers[b"x-request-id"] + b"\r\n"
        if close:
            extra += b"connection: close\r\n"
        elif b"connection" in headers and headers[b"connection"].lower() == b"keep-alive":
            extra += b"connection: keep-alive\r\n"  # HTTP/1.0 clients wait for it
        return extra

    def _over(self, request: Request, close: bool) -> None:
        self._current = None
        self._since = self._server.now
        if close:
            self._hang_up(request)
        elif self._waiting or self._ended:
            self._start()

    def _write(self, start: bytes, body: bytes) -> None:
        if len(body) < _JOIN_BELOW:
            self._transport.write(start + body)
        else:
            self._transport.writelines((start, body))

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what can't become a request, after the replies that are due before it, and hang up."""
        if self._last:
            return
        self._last, self._state = True, _IDLE
        self._chunks = []
        request = Request(self, "", self._target, self._headers, b"")
        request.keep_alive = False
        request.refusal = (status, reason)
        self._waiting.append(request)

    def _decline_upgrade(self) -> None:
        """Answer in plain HTTP/1.1 and close: what follows would be another protocol."""
        if not self._waiting:
            self._refuse(400, "no other protocol is offered here")
        elif {b"content-length", b"transfer-encoding"} & self._headers.keys():  # the parser has skipped the body
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
        self._waiting.clear()
        self._state, self._since = _LINGER, self._server.now
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._reading_paused:
            self._transport.resume_reading()

    # time

    @property
    def busy(self) -> bool:
        """A request arrives, is in work, or its reply is not all with the client yet."""
        if self._current is not None or self._waiting or self._state in (_HEAD, _BODY):
            return True
        return bool(self._transport.get_write_buffer_size())

    def look(self) -> None:
        """Has this client waited too long, or left?"""
        limits, age = self._server.limits, self._server.now - self._since
        if self._writing_paused:
            unread, self._unread = self._unread, self._transport.get_write_buffer_size()
            if self._unread < unread:
                self._since = self._server.now  # slow, but it reads
            elif age > limits.write_seconds:
                self._transport.abort()
        elif self._state == _LINGER:
            if age > limits.linger_seconds:
                self._transport.abort()
        elif self._current is not None or self._waiting:
            if self._ended:
                self._check_gone()
        elif self._state == _HEAD and age > limits.head_seconds:
            self._refuse_slow(f"no whole request head within {limits.head_seconds:g} s")
        elif self._state == _BODY and age > limits.body_seconds:
            self._refuse_slow(f"no more of the body for {limits.body_seconds:g} s")
        elif self._state == _IDLE and age > limits.idle_seconds:
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
        if self._parser.get_http_version() != "1.1":
            return
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        asyncio.get_running_loop().call_later(_PROBE_AFTER, self._check_gone)

    def _check_gone(self) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._transport.abort()


class _Refused(Exception):
    """Raised inside a parser callback: this request gets this answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
