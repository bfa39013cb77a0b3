"""One HTTP request, and the bytes of its reply."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlserve.runtime.http.connection import Connection
    from mlserve.runtime.observe.exchange import Exchange

JSON = b"application/json"
GATEWAY = b"x-mlserve-gateway"
"""The header of its secret."""
_DIFFERENT = frozenset((b"transfer-encoding", b"upgrade", b"expect", b"traceparent"))
_ECHOED = frozenset((b"x-request-id", b"connection"))
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


class Head:
    """Request line and headers, read. Requests with the same bytes share one: nobody changes it."""

    __slots__ = ("chunks", "echoes", "gateway", "headers", "keep_alive", "length", "method", "path", "plain", "query")

    def __init__(
        self, method: str, target: bytes, headers: dict[bytes, bytes], *, keep_alive: bool, chunks: bool,
        length: int = 0, gateway: bytes = b"",
    ) -> None:  # fmt: skip
        if not target.startswith(b"/") and b"://" in target:  # a proxy's form: http://host/path
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path, _, self.query = target.partition(b"?")
        self.method = method
        self.path = path.decode("latin-1")
        self.headers = headers
        self.keep_alive = keep_alive
        self.chunks = chunks
        """The client takes a reply in parts (HTTP/1.1)."""
        self.length = length
        """Bytes of the body."""
        self.gateway = gateway
        """By which the gateway shows that it is one. No header: nobody but who lets requests in gets to see it."""
        self.echoes = not headers.keys().isdisjoint(_ECHOED)
        """The reply repeats some of the headers."""
        self.plain = keep_alive and not headers.keys() & _DIFFERENT
        """The same bytes may come again, and then mean the same."""


class Request:
    """What came, and `reply` to answer it: at once or later, from the event loop, once."""

    # What most requests never change is kept with the class: making one is on the way of every request.
    answered = False
    status = 0
    held = 0
    """Bytes of the room for bodies that it has taken."""
    refusal: tuple[int, str, bytes] | None = None
    """What came is no request: status, reason and header lines that it is answered with."""
    on_gone: Callable[[], None] | None = None
    """Called when the client left before its whole reply."""
    on_drain: Callable[[], None] | None = None
    """Called when the client takes more of a reply in parts, after `write` said to wait."""
    seen: Exchange | None = None
    """For those who watch, where anybody does."""

    def __init__(
        self, connection: Connection | None, method: str, target: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> None:
        self.head = head = Head(method, target, headers, keep_alive=True, chunks=True)
        self.connection: Connection | None = connection
        self.method = head.method
        self.path = head.path
        self.headers = headers
        self.keep_alive = True
        self.body = body

    @classmethod
    def of(cls, connection: Connection, head: Head, body: bytes, headers: dict[bytes, bytes] | None = None) -> Request:
        """A request whose head is read already; ``headers``: in the place of the head's own."""
        request = cls.__new__(cls)
        request.connection = connection
        request.head = head
        request.method = head.method
        request.path = head.path
        request.headers = head.headers if headers is None else headers
        request.keep_alive = head.keep_alive
        request.body = body
        return request

    @property
    def query(self) -> bytes:
        return self.head.query

    @property
    def chunks(self) -> bool:
        """The client takes a reply in parts."""
        return self.head.chunks

    def hold(self, size: int) -> bool:
        """Take so many more bytes of the room for bodies, until it is answered; false without room."""
        return self.connection is None or self.connection.hold(self, size)

    def reply(self, status: int, body: bytes = b"", content_type: bytes = JSON, extra: bytes = b"") -> None:
        """Answer. ``extra``: whole header lines, each ended by CRLF. A client that has gone is no error."""
        if self.answered:
            return
        self.answered = True
        self.status = status
        self.on_gone = None
        if self.seen is not None:
            self.seen.finish(status, len(body))
        if self.connection is not None:
            self.connection.send(self, status, body, content_type, extra)

    def begin(self, status: int, content_type: bytes = JSON, extra: bytes = b"") -> None:
        """Start a reply in parts: then `write` as often as there is something, and `end` once."""
        if self.answered:
            return
        self.answered = True
        self.status = status
        if self.connection is not None:
            self.connection.begin(self, status, content_type, extra)

    def write(self, data: bytes) -> bool:
        """One part. False: the client is slow; wait for `on_drain` before much more."""
        if self.seen is not None:
            self.seen.sent += len(data)
        return self.connection.write(self, data) if self.connection is not None and data else True

    def end(self) -> None:
        """The reply is whole."""
        self.on_gone = self.on_drain = None
        if self.seen is not None:
            self.seen.finish(self.status, self.seen.sent)
        if self.connection is not None:
            self.connection.end(self)


_heads: dict[tuple[int, bytes], bytes] = {}  # filled with the few combinations this program answers with


def head(status: int, length: int, content_type: bytes, extra: bytes) -> bytes:
    """Status line and headers, the empty line included."""
    start = _heads.get((status, content_type)) or _start(status, content_type)
    if status == 204:
        return start + extra + b"\r\n"
    return b"%scontent-length: %d\r\n%s\r\n" % (start, length, extra)


def open_head(status: int, content_type: bytes, extra: bytes, *, chunked: bool) -> bytes:
    """The head of a reply whose length is not known yet."""
    how = b"transfer-encoding: chunked\r\n" if chunked else b""
    return b"%s%s%s\r\n" % (_start(status, content_type), how, extra)


def _start(status: int, content_type: bytes) -> bytes:
    start = _heads.get((status, content_type))
    if start is None:
        kind = b"content-type: " + content_type + b"\r\n" if content_type else b""
        start = b"HTTP/1.1 %d %s\r\n%s" % (status, _PHRASES.get(status, b"Unknown"), kind)
        if len(_heads) < 256:
            _heads[status, content_type] = start
    return start
