"""Requests as they come in: header blocks, bodies, and what may be kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlserve.runtime.http2 import frames
from mlserve.runtime.http2.frames import Violation
from mlserve.runtime.http2.head import Head, Malformed
from mlserve.runtime.http2.hpack import Decoder
from mlserve.runtime.http2.rest import RestCall
from mlserve.runtime.http2.stream import Stream

if TYPE_CHECKING:
    from mlserve.runtime.http2.connection import Connection

STREAMS = 1024
WINDOW = 4 << 20
"""What may come of one request before any of it is used."""
CONNECTION_WINDOW = 1 << 30
"""Flow control is by stream; what a whole connection may keep here is bounded by `_HELD` bodies."""
_HELD = 2
_KNOWN_HEADS = 64


class Receiving:
    """One connection's side of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = connection.server
        self._decoder = Decoder(connection.server.limits.head)
        self._heads: dict[bytes, Head] = {}
        self._generation = 0
        self._block: list[bytes] = []  # a header block on its way
        self._block_ends, self._block_size = False, 0
        self._granted = CONNECTION_WINDOW
        self.last = 0
        """The newest stream."""
        self.held = 0
        """Bytes of requests that are not whole yet."""

    def data(self, ident: int, flags: int, payload: bytes) -> None:
        """A DATA frame."""
        size = len(payload)
        if flags & frames.PADDED:
            payload = _unpadded(payload)
        if not payload and not flags & frames.END_STREAM:
            self._connection.guard.idle()
        self.body(ident, payload, size, bool(flags & frames.END_STREAM))

    def body(self, ident: int, chunk: bytes, size: int, ends: bool) -> None:
        """Some of a body, ``size`` with its padding."""
        connection = self._connection
        self._granted -= size
        if self._granted < CONNECTION_WINDOW // 2:
            connection.write(frames.window_update(0, CONNECTION_WINDOW - self._granted))
            self._granted = CONNECTION_WINDOW
        stream = connection.streams.get(ident)
        if stream is None:
            self.check_known(ident)
            return
        stream.granted -= size
        if stream.granted < 0:
            raise Violation(frames.FLOW_CONTROL_ERROR, "more data than the window allows")
        if (code := self._wrong(stream, len(chunk), ends)) is not None:
            connection.guard.reset()  # a client that makes us reset gives its request up as well
            stream.reset(code)
            return
        stream.since = self._server.now
        receiver = stream.receiver
        if receiver is None:
            return
        if size > len(chunk):
            stream.grant(size - len(chunk))
        if chunk:
            connection.guard.work += 1
            receiver.data(chunk)
        if ends and not stream.closed:
            stream.whole()
            receiver.ended()

    def headers(self, ident: int, flags: int, payload: bytes) -> None:
        """A HEADERS frame."""
        if not ident & 1:
            raise Violation(frames.PROTOCOL_ERROR, "a request has an odd number")
        if flags & frames.PADDED:
            payload = _unpadded(payload)
        if flags & frames.HAS_PRIORITY:
            if len(payload) < 5:
                raise Violation(frames.FRAME_SIZE_ERROR, "a priority without its five bytes")
            payload = payload[5:]
        ends = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._request(ident, payload, ends)
        else:
            self._block, self._block_size, self._block_ends = [payload], len(payload), ends

    def continuation(self, ident: int, flags: int, payload: bytes) -> None:
        """More of the header block; the reader has seen to it that there is one."""
        if not payload:
            self._connection.guard.idle()
        self._block.append(payload)
        self._block_size += len(payload)
        if self._block_size > self._server.limits.head:
            raise Violation(frames.ENHANCE_YOUR_CALM, "the headers are too large")
        if flags & frames.END_HEADERS:
            block, self._block = b"".join(self._block), []
            self._request(ident, block, self._block_ends)

    def check_known(self, ident: int) -> None:
        """A stream that was ended may still get what was on its way; one that never was may not."""
        if ident > self.last or not ident & 1:
            raise Violation(frames.PROTOCOL_ERROR, f"a frame of stream {ident}, which was never opened")

    def _wrong(self, stream: Stream, size: int, ends: bool) -> int | None:
        if stream.ended:
            return frames.STREAM_CLOSED
        stream.taken += size
        length = stream.head.length
        if length is not None and (stream.taken > length or (ends and stream.taken != length)):
            return frames.PROTOCOL_ERROR
        return frames.ENHANCE_YOUR_CALM if self.held > _HELD * self._server.limits.body else None

    def _request(self, ident: int, block: bytes, ends: bool) -> None:
        connection = self._connection
        if ident <= self.last:
            self._late(ident, block, ends)
            return
        self.last = ident
        try:
            head = self._head(block)
        except Malformed:
            self._refuse(ident, frames.PROTOCOL_ERROR)
            return
        if len(connection.streams) >= STREAMS:
            self._refuse(ident, frames.REFUSED_STREAM)
            return
        self._server.requests += 1
        connection.guard.work += 1
        stream = Stream(connection, ident, head, connection.peer_window, WINDOW)
        connection.streams[ident] = stream
        rpc = self._server.rpc
        if rpc is not None and head.rpc:
            rpc().accept(stream)
        else:
            stream.receiver = RestCall(stream)
        if ends and not stream.closed:
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        stream.whole()
        if stream.head.length and stream.taken != stream.head.length:
            self._connection.guard.reset()
            stream.reset(frames.PROTOCOL_ERROR)
        elif stream.receiver is not None:
            stream.receiver.ended()

    def _refuse(self, ident: int, code: int) -> None:
        self._connection.write(frames.rst_stream(ident, code))
        self._connection.guard.reset()

    def _head(self, block: bytes) -> Head:
        """Equal blocks mean the same until the table changes, so that a client's usual one is read once."""
        decoder, heads = self._decoder, self._heads
        if self._generation == decoder.generation and (known := heads.get(block)) is not None:
            return known
        before = decoder.generation
        fields = decoder.decode(block)
        if self._generation != decoder.generation:
            heads.clear()
            self._generation = decoder.generation
        head = Head(fields)
        if before == decoder.generation and len(heads) < _KNOWN_HEADS:
            heads[block] = head
        return head

    def _late(self, ident: int, block: bytes, ends: bool) -> None:
        """Trailers, which end a request; of a stream that is over, nothing but the table's changes counts."""
        self._decoder.decode(block)
        stream = self._connection.streams.get(ident)
        if stream is None:
            self._connection.guard.idle()
        elif stream.ended or not ends:
            self._connection.guard.reset()
            stream.reset(frames.PROTOCOL_ERROR)
        else:
            self._end(stream)


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise Violation(frames.PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
