"""HTTP/2 on asyncio: one connection, its frames taken, its streams answered as their answers come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlserve.runtime.http.unread import LEAST
from mlserve.runtime.http2 import control, frames, reader
from mlserve.runtime.http2.frames import Violation
from mlserve.runtime.http2.guard import Guard
from mlserve.runtime.http2.hpack import BadBlock, TooLarge
from mlserve.runtime.http2.reader import Reader
from mlserve.runtime.http2.receiving import CONNECTION_WINDOW, STREAMS, WINDOW, Receiving
from mlserve.runtime.http2.stream import Stream

if TYPE_CHECKING:
    from mlserve.runtime.http.listener import HttpServer

_WRITE_AHEAD = 1 << 20
_SILENCE = 30.0
"""Seconds without a byte, while requests are open, until the client is asked whether it is there."""


def take_over(server: HttpServer, transport: Any, data: bytes) -> None:
    """From now on the connection speaks HTTP/2; ``data`` has come already."""
    connection = Connection(server)
    transport.set_protocol(connection)
    connection.connection_made(transport)
    connection.data_received(data)


class Connection(asyncio.Protocol):
    """A client."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.streams: dict[int, Stream] = {}
        self.window, self.frame_size = frames.USUAL_WINDOW, frames.USUAL_FRAME
        """What may still be sent, and in frames of which size."""
        self.peer_window = frames.USUAL_WINDOW
        """What may be sent of each new stream."""
        self.paused = False
        self.guard = Guard()
        self.receiving = Receiving(self)
        self._reader = Reader(self, server.limits.head)
        self._transport: Any = None
        self._blocked: dict[int, Stream] = {}
        self._leaving = self._over = False
        self._since, self._asked = server.now, 0.0
        self._unread, self._read_at = 0, server.now
        self._halfway, self._halfway_since = 0, server.now

    # asyncio calls these

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_AHEAD)
        self.server.connections.add(self)
        wishes = {
            frames.MAX_CONCURRENT_STREAMS: STREAMS,
            frames.INITIAL_WINDOW_SIZE: WINDOW,
            frames.MAX_FRAME_SIZE: reader.LARGEST,
            frames.MAX_HEADER_LIST_SIZE: self.server.limits.head,
        }
        self.write(frames.settings(wishes) + frames.window_update(0, CONNECTION_WINDOW - frames.USUAL_WINDOW))

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._since, self._asked = self.server.now, 0.0
        try:
            self._reader.feed(data)
        except Violation as exc:
            self._hang_up(exc.code, str(exc))
        except TooLarge as exc:
            self._hang_up(frames.ENHANCE_YOUR_CALM, str(exc))
        except BadBlock as exc:
            self._hang_up(frames.COMPRESSION_ERROR, str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = self._reader.stopped = True
        self.server.connections.discard(self)
        self.server.unread.done(self)
        for stream in tuple(self.streams.values()):
            self.forget(stream)

    def pause_writing(self) -> None:
        self.paused, self._unread = True, self._transport.get_write_buffer_size()
        self._read_at = self.server.now
        self.server.unread.keep(self, self._unread, self._read_at)

    def resume_writing(self) -> None:
        self.paused = False
        self.server.unread.done(self)
        self.push()

    @property
    def read_at(self) -> float:
        if self._transport.get_write_buffer_size() < self._unread:
            return self.server.now  # since the last look
        return self._read_at

    def give_up(self) -> None:
        self._transport.abort()

    # the reader calls these

    def frame(self, kind: int, flags: int, ident: int, payload: bytes) -> None:
        if kind == frames.DATA:
            self.receiving.data(ident, flags, payload)
        elif kind == frames.HEADERS:
            self.receiving.headers(ident, flags, payload)
        elif kind == frames.CONTINUATION:
            self.receiving.continuation(ident, flags, payload)
        else:
            control.take(self, kind, flags, ident, payload)

    def body(self, ident: int, chunk: bytes, size: int, ends: bool) -> None:
        self.receiving.body(ident, chunk, size, ends)

    # streams call these

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        if not self._transport.is_closing():
            self._transport.writelines(parts)

    def block(self, stream: Stream) -> None:
        """It has more to send than it may."""
        if not stream.blocked:
            stream.blocked = True
            self._blocked[stream.ident] = stream
        if stream.queued > LEAST:
            self.server.unread.keep(stream, stream.queued, self.server.now)

    def unblock(self, stream: Stream) -> None:
        if stream.blocked:
            stream.blocked = False
            del self._blocked[stream.ident]
            self.server.unread.done(stream)

    @property
    def blocked(self) -> bool:
        """Something waits for the client to take more."""
        return bool(self._blocked)

    def finished(self, stream: Stream) -> None:
        """Its answer is sent."""
        if stream.ended:
            stream.receiver = None
        else:
            self.write(frames.rst_stream(stream.ident, frames.NO_ERROR))  # the rest of the request is not needed
        self.forget(stream)

    def forget(self, stream: Stream) -> None:
        """It is over; who still works for it is told."""
        receiver, stream.receiver = stream.receiver, None
        stream.closed = True
        stream.on_room = None
        stream.release()
        self.unblock(stream)
        self.streams.pop(stream.ident, None)
        if receiver is not None:
            receiver.gone()
        if self._leaving and not self.streams:
            self._hang_up()

    def push(self) -> None:
        """Let the streams that wait send, the longest waiting first."""
        for stream in tuple(self._blocked.values()):
            if self.paused or self.window <= 0:
                return
            if not stream.closed:
                stream.push()

    def left(self) -> None:
        """The client asks for nothing more."""
        self._leaving = True
        if not self.streams:
            self._hang_up()

    # time

    @property
    def busy(self) -> bool:
        """A request arrives, is in work, or its reply is not all with the client yet."""
        return bool(self.streams or self._transport.get_write_buffer_size())

    def look(self) -> None:
        """Has this client waited too long, or left?"""
        self.guard.tick()
        limits, age = self.server.limits, self.server.now - self._since
        if self.server.draining:
            self.leave()
        if self.paused:
            self._look_at_writing()
        elif self._trickles():
            self._transport.abort()
        elif self.streams:
            self._look_at_streams(age)
        elif age > limits.idle_seconds and not self._reader.halfway:
            self.leave()

    def _trickles(self) -> bool:
        """What the client says is not whole since long: each byte counts for nothing."""
        halfway, now = self._reader.halfway, self.server.now
        if halfway != self._halfway:
            self._halfway, self._halfway_since = halfway, now
        return bool(halfway) and now - self._halfway_since > self.server.limits.head_seconds

    def leave(self) -> None:
        """Ask the client to come again elsewhere; what it has begun is answered."""
        if not self._leaving:
            self._leaving = True
            self.write(frames.goaway(frames.LARGEST_WINDOW, frames.NO_ERROR))
            asyncio.get_running_loop().call_later(self.server.limits.tick, self._hang_up_if_idle)

    def close(self) -> None:
        """Hang up; what is in work is lost."""
        self._hang_up()

    def _look_at_writing(self) -> None:
        unread, self._unread = self._unread, self._transport.get_write_buffer_size()
        if self._unread < unread:
            self._read_at = self.server.now  # slow, but it reads
        elif self.server.now - self._read_at > self.server.limits.write_seconds:
            self._transport.abort()

    def _look_at_streams(self, age: float) -> None:
        limits, now = self.server.limits, self.server.now
        for stream in tuple(self.streams.values()):
            due = limits.write_seconds if stream.blocked else limits.body_seconds
            waits_for_client = stream.blocked or not (stream.ended or stream.lasting)
            if waits_for_client and now - stream.since > due:
                stream.reset(frames.CANCEL)
        if self._asked:
            if now - self._asked > limits.head_seconds:
                self._transport.abort()
        elif age > _SILENCE:
            self._asked = now
            self.write(frames.ping(bytes(8)))

    def _hang_up_if_idle(self) -> None:
        if not self.streams:
            self._hang_up()

    def _hang_up(self, code: int = frames.NO_ERROR, reason: str = "") -> None:
        """Say why, and end."""
        if not self._over:
            self._over = self._reader.stopped = True
            self.write(frames.goaway(self.receiving.last, code, reason))
            self._transport.close()
