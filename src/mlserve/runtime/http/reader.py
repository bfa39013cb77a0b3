"""What a client sends, turned into requests: llhttp reads, and a head that came before is known as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

from mlserve.runtime.http.heads import LONGEST
from mlserve.runtime.http.request import GATEWAY, Head, Request

if TYPE_CHECKING:
    from mlserve.runtime.http.connection import Connection

IDLE, HEAD, BODY = range(3)
_MANY_PIECES = 1024
_VERSIONS = "HTTP/1.1, HTTP/1.0, and HTTP/2 from its preface on, are spoken here"
_COUNTED = 64 << 10
"""Bodies above this count for the memory that they hold."""


class Refused(Exception):
    """What came is no request, or too much of one: this is the answer, and nothing more is read."""

    def __init__(self, status: int, reason: str, extra: bytes = b"") -> None:
        super().__init__(reason)
        self.status = status
        self.extra = extra


class Reader:
    """The parser of one connection. ``state`` and ``since``: where it is, and since when without progress."""

    def __init__(self, connection: Connection) -> None:
        server = connection.server
        self._connection, self._server, self._limits = connection, server, server.limits
        self._parser: Any = httptools.HttpRequestParser(self)
        self.state, self.since = IDLE, server.now
        self.held = 0
        """Bytes of the room for bodies that the request under way has taken."""
        self._raw: bytes | None = None  # the bytes of a head that may be remembered
        self._head = Head("", b"", {}, keep_alive=True, chunks=True)
        self._target, self._gateway, self._size, self._fed = b"", b"", 0, 0
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._joined = 0  # of the chunks, how many are joined ones

    def known(self, data: bytes) -> Request | None:
        """The request that these bytes are, if they are a whole one whose head came before; else `feed` them."""
        if self.state != IDLE:
            return None
        end = data.find(b"\r\n\r\n") + 4
        if not 3 < end <= LONGEST:
            self._raw = None
            return None
        raw = data[:end]
        heads = self._server.heads
        head, headers = heads.known.get(raw), None
        if head is None and (found := heads.find(raw)) is not None:
            head, headers = found
        if head is None or len(data) != end + head.length:
            self._raw = raw if b"A" <= data[:1] <= b"Z" else None
            return None
        self.since = self._server.now
        return Request.of(self._connection, head, data[end:], headers)

    def feed(self, data: bytes) -> None:
        """Read on; whole requests go to the connection. Raises Refused, and HttpParserUpgrade."""
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise
        except httptools.HttpParserError as exc:
            refused = exc.__context__
            if isinstance(refused, Refused):
                raise refused from None
            if "HTTP version" in str(exc):
                raise Refused(505, _VERSIONS) from None
            raise Refused(400, f"not HTTP/1.1: {exc}") from None
        if self._fed > self._limits.head and self.state != IDLE:
            what = "request line and headers" if self.state == HEAD else "chunk extensions or trailers"
            raise Refused(431, f"{what} are larger than {self._limits.head} bytes")

    def stop(self) -> Head:
        """Nothing more is read; the head so far, for the answer to it."""
        self.state, self._chunks = IDLE, []
        self.release()
        return Head("", self._target, self._headers, keep_alive=False, chunks=False)

    def release(self) -> None:
        self._server.room.give(self.held)
        self.held = 0

    # llhttp calls these

    def on_message_begin(self) -> None:
        self.state, self.since = HEAD, self._server.now
        self._target, self._gateway, self._headers, self._size, self._chunks = b"", b"", {}, 0, []
        self._joined = 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.state == BODY:
            return  # a trailer says nothing that is waited for here, and must not change a header
        name = name.lower()
        if name == b"host" and name in self._headers:
            raise Refused(400, "a request has one Host header, and this one has more")
        if name == GATEWAY:
            self._gateway = value
        else:
            self._headers[name] = value
        self._size += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        limits, headers, parser = self._limits, self._headers, self._parser
        self.state = BODY
        if self._size + len(self._target) > limits.head:
            raise Refused(431, f"request line and headers are larger than {limits.head} bytes")
        self._size = 0
        version = self._version()
        length = int(headers.get(b"content-length", b"0"))
        if length > limits.body:
            raise Refused(413, f"the body is larger than {limits.body} bytes")
        if length > _COUNTED:
            self._hold(length)
        self._head = Head(
            parser.get_method().decode("latin-1"), self._target, headers,
            keep_alive=parser.should_keep_alive() and (version != "1.0" or b"transfer-encoding" not in headers),
            chunks=version != "1.0", length=length, gateway=self._gateway,
        )  # fmt: skip
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._connection.go_on()

    def _version(self) -> str:
        version: str = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refused(505, _VERSIONS)
        if version == "1.1" and b"host" not in self._headers:
            raise Refused(400, "a request of HTTP/1.1 has a Host header, and this one has none")
        return version

    def on_body(self, body: bytes) -> None:
        chunks = self._chunks
        chunks.append(body)
        if len(chunks) - self._joined == _MANY_PIECES:  # millions of small objects cost 20 times their bytes
            chunks[self._joined :] = [b"".join(chunks[self._joined :])]
            self._joined += 1
        self._size += len(body)
        self._fed = 0
        self.since = self._server.now
        if self._size > self._limits.body:
            raise Refused(413, f"the body is larger than {self._limits.body} bytes")
        if self._size > _COUNTED and self._size > self.held:
            self._hold(self._size - self.held)

    def on_message_complete(self) -> None:
        chunks, head, raw = self._chunks, self._head, self._raw
        request = Request.of(self._connection, head, chunks[0] if len(chunks) == 1 else b"".join(chunks))
        request.held, self.held = self.held, 0
        self._chunks, self._raw = [], None
        self.state, self._fed, self.since = IDLE, 0, self._server.now
        if raw is not None:
            self._server.heads.keep(raw, head)
        self._connection.take(request)

    def _hold(self, size: int) -> None:
        room = self._server.room
        if room.lacks(size):
            if room.held == self.held:
                raise Refused(
                    413, f"a body of {self.held + size} bytes is more than this instance has room for: {room.limit}"
                    " bytes, a quarter of its memory (metadata.memory)",
                )  # fmt: skip
            raise Refused(
                503, "bodies of other requests fill the memory for them; try again later",
                b"retry-after: 1\r\nx-mlserve-overloaded: 1\r\n",
            )  # fmt: skip
        room.take(size)
        self.held += size
