"""A request that is no gRPC: handed on as HTTP/1.1's are, its reply written as frames."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from mlserve.runtime.http.pieces import Pieces
from mlserve.runtime.http.request import Request
from mlserve.runtime.http2 import hpack

if TYPE_CHECKING:
    from mlserve.runtime.http2.stream import Stream

_LATER = b"retry-after: 1\r\nx-mlserve-overloaded: 1\r\n"


class RestCall:
    """One request and its reply: to the request, what an HTTP/1.1 connection is."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._limit = stream.connection.server.limits.body
        self._pieces = Pieces()
        self._size = 0
        self._request: Request | None = None

    # the stream calls these

    def data(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            self._refuse(413, f"the body is larger than {self._limit} bytes")
            return
        if not self._stream.hold(len(chunk)):
            self._refuse(503, "this instance has no room for another body just now", _LATER)
            return
        self._pieces.add(chunk)
        self._stream.grant(len(chunk))

    def ended(self) -> None:
        head, body = self._stream.head, self._pieces.take()
        request = Request(cast(Any, self), head.method, head.path, head.headers, body)
        request.head.gateway = head.gateway
        self._request = request
        self._stream.connection.server.handle(request)

    def gone(self) -> None:
        request, self._request = self._request, None
        if request is not None and request.on_gone is not None:
            request.answered = True
            request.on_gone()
            request.on_gone = request.on_drain = None  # they refer to the request

    # the request calls these

    def hold(self, request: Request, size: int) -> bool:
        """Room for so many more bytes of its body."""
        return self._stream.hold(size)

    def send(self, request: Request, status: int, body: bytes, content_type: bytes, extra: bytes) -> None:
        """The whole reply."""
        self._request = None
        block = self._head(request, status, content_type, extra, len(body))
        if not body or request.method == "HEAD" or status == 204:
            self._stream.begin(block, last=True)
        else:
            self._stream.begin(block)
            self._stream.send((body,), len(body))
            self._stream.finish()

    def begin(self, request: Request, status: int, content_type: bytes, extra: bytes) -> None:
        """The head of a reply in parts."""
        self._stream.on_room = partial(_drained, request)
        self._stream.begin(self._head(request, status, content_type, extra, None))

    def write(self, request: Request, data: bytes) -> bool:
        """One part. False: the client has not taken those before it."""
        self._stream.send((data,), len(data))
        return not self._stream.crowded

    def end(self, request: Request) -> None:
        """The reply is whole."""
        self._request = self._stream.on_room = None
        self._stream.finish()

    def _head(self, request: Request, status: int, content_type: bytes, extra: bytes, length: int | None) -> bytes:
        fields = [(b":status", b"%d" % status)]
        if content_type:
            fields.append((b"content-type", content_type))
        if length is not None and status != 204:
            fields.append((b"content-length", b"%d" % length))
        if b"x-request-id" in request.headers:
            fields.append((b"x-request-id", request.headers[b"x-request-id"]))
        for line in extra.split(b"\r\n"):
            name, found, value = line.partition(b":")
            if found and name.lower() != b"connection":
                fields.append((name.strip().lower(), value.strip()))
        return hpack.encode(fields)

    def _refuse(self, status: int, reason: str, extra: bytes = b"") -> None:
        self._pieces.take()
        request = Request(cast(Any, self), "", self._stream.head.path, self._stream.head.headers, b"")
        request.reply(status, json.dumps({"error": reason}).encode(), extra=extra)


def _drained(request: Request) -> None:
    if request.on_drain is not None:
        request.on_drain()
