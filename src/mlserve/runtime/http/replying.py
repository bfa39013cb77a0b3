"""How replies go out: whole, or in parts as they come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from mlserve.runtime.http.request import Request, head, open_head

if TYPE_CHECKING:
    from mlserve.runtime.http.listener import HttpServer

_JOIN_BELOW = 32 << 10
DRAINING = b"x-mlserve-draining: 1\r\n"
"""For whoever asks directly: this instance is about to end, the others have room."""


class Replying(ABC):
    """The side of a connection that writes; only the request at hand is answered."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self._transport: Any = None
        self._since = server.now  # it last made progress
        self._current: Request | None = None
        self._writing_paused = False
        self._begun = False  # a reply in parts

    @abstractmethod
    def _over(self, request: Request, close: bool) -> None:
        """The reply is written: go on to the next request, or hang up."""

    def send(self, request: Request, status: int, body: bytes, content_type: bytes, extra: bytes) -> None:
        """Write a reply and go on to the next request. Does nothing where the client has gone."""
        transport = self._transport
        if request is not self._current or transport.is_closing():
            return
        close = not request.keep_alive or self.server.draining
        if close or request.head.echoes or request.headers is not request.head.headers:
            extra += self._own_headers(request, close)
        start = head(status, len(body), content_type, extra)
        if request.method == "HEAD":
            transport.write(start)
        elif len(body) < _JOIN_BELOW:
            transport.write(start + body)
        else:
            transport.writelines((start, body))
        self._over(request, close)

    def begin(self, request: Request, status: int, content_type: bytes, extra: bytes) -> None:
        """Write the head of a reply in parts."""
        if request is not self._current or self._transport.is_closing():
            return
        request.keep_alive = request.keep_alive and request.chunks and not self.server.draining
        extra += self._own_headers(request, not request.keep_alive)
        self._begun, self._since = True, self.server.now
        self._transport.write(open_head(status, content_type, extra, chunked=request.chunks))

    def write(self, request: Request, data: bytes) -> bool:
        """Write a part of the reply; false where the client takes no more for now."""
        if request is not self._current or self._transport.is_closing():
            return True  # nobody is there to wait for
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data) if request.chunks else data)
        return not self._writing_paused

    def end(self, request: Request) -> None:
        """The reply is whole."""
        if request is not self._current or self._transport.is_closing():
            return
        self._begun = False
        if request.chunks:
            self._transport.write(b"0\r\n\r\n")
        self._over(request, not request.keep_alive)

    def _own_headers(self, request: Request, close: bool) -> bytes:
        headers, extra = request.headers, b""
        if b"x-request-id" in headers:
            extra = b"x-request-id: " + headers[b"x-request-id"] + b"\r\n"
        if self.server.draining:
            extra += DRAINING
        if close:
            extra += b"connection: close\r\n"
        elif b"connection" in headers and headers[b"connection"].lower() == b"keep-alive":
            extra += b"connection: keep-alive\r\n"  # HTTP/1.0 clients wait for it
        return extra
