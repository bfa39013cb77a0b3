"""One request and its answer on an HTTP/2 connection, and how fast each side may send."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from mlserve.runtime.http2 import frames

if TYPE_CHECKING:
    from mlserve.runtime.http2.connection import Connection
    from mlserve.runtime.http2.head import Head

_MUCH = 256 << 10
"""Bytes of an answer waiting for the client, above which a stream of answers pauses."""

_STEP = 1 << 20
"""A window is opened again in steps of this size."""


class Receiver(Protocol):
    """Who takes a request's body as it arrives."""

    def data(self, chunk: bytes) -> None:
        """More of the body."""

    def ended(self) -> None:
        """The whole body is here."""

    def gone(self) -> None:
        """The client has given up, or left: nobody waits for an answer any more."""


class Stream:
    """``ident`` on its connection. Whatever is sent after the client has gone is dropped."""

    __slots__ = (
        "_queue", "_trailers", "_used", "blocked", "closed", "connection", "ended", "granted", "head", "held", "ident",
        "lasting", "on_room", "queued", "receiver", "since", "started", "taken", "window",
    )  # fmt: skip

    def __init__(self, connection: Connection, ident: int, head: Head, window: int, granted: int) -> None:
        self.connection = connection
        self.ident = ident
        self.head = head
        self.window = window
        """Bytes that may still be sent."""
        self.granted = granted
        """Bytes that may still come."""
        self._used = 0  # and was not yet allowed to come again
        self.taken = 0
        """Bytes that came."""
        self.held = 0
        """Bytes of them that are kept here, of the room that all requests share."""
        self.receiver: Receiver | None = None
        self.ended = self.closed = self.started = self.blocked = False
        self.lasting = False
        """The client may be silent for as long as it likes before it ends its request."""
        self.since = connection.server.now
        """When something last came or went."""
        self.queued = 0
        self.on_room: Callable[[], None] | None = None
        """Called when the client has taken most of what was `crowded`."""
        self._queue: deque[bytes | memoryview] = deque()
        self._trailers: bytes | None = None

    @property
    def crowded(self) -> bool:
        """The client takes its answers more slowly than they come."""
        return self.queued > _MUCH

    def begin(self, block: bytes, last: bool = False) -> None:
        """The answer's headers; ``last``: they are all of it."""
        if self.closed or self.started:
            return
        self.started = True
        connection = self.connection
        flags = frames.END_STREAM if last else 0
        connection.write(frames.headers(self.ident, block, flags, connection.frame_size))
        if last:
            connection.finished(self)

    def send(self, parts: Sequence[bytes | memoryview], size: int) -> None:
        """More of the answer, of ``size`` bytes altogether."""
        if self.closed:
            return
        self._queue.extend(part for part in parts if len(part))
        self.queued += size
        self.push()

    def finish(self, trailers: bytes = b"") -> None:
        """The end of the answer, with this header block or none."""
        if self.closed:
            return
        self._trailers = trailers
        self.push()

    def answer(self, block: bytes, parts: Sequence[bytes], size: int, trailers: bytes) -> None:
        """A whole answer: in one write where nothing is in its way."""
        if self.closed:
            return
        connection = self.connection
        if size > self.window or size > connection.window or size > connection.frame_size or connection.paused:
            self.begin(block)
            self._queue.extend(part for part in parts if len(part))
            self.queued += size
            self.finish(trailers)
            return
        head, ident = frames.head, self.ident
        self.window -= size
        connection.window -= size
        self.started = True
        connection.write(
            b"".join((
                head(len(block), frames.HEADERS, frames.END_HEADERS, ident), block,
                head(size, frames.DATA, 0, ident), *parts,
                head(len(trailers), frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, ident), trailers,
            ))
        )  # fmt: skip
        connection.finished(self)

    def push(self) -> bool:
        """Send what the windows allow; whether anything went."""
        connection, went = self.connection, False
        while self._queue and not connection.paused:
            room = min(self.window, connection.window, connection.frame_size)
            if room <= 0:
                break
            self._frame(min(room, self.queued))
            went = True
        if self._queue:
            connection.block(self)
        else:
            connection.unblock(self)
            if self._trailers is not None and not self.closed:
                self._end(self._trailers)
        if went:
            self.since = connection.server.now
            if self.on_room is not None and not self.crowded:
                self.on_room()
        return went

    @property
    def read_at(self) -> float:
        """When its client last took some of the answer."""
        return self.since

    def give_up(self) -> None:
        """What is left of the answer is lost: others want the memory."""
        self.reset(frames.ENHANCE_YOUR_CALM)

    def reset(self, code: int) -> None:
        """End both directions."""
        if not self.closed:
            self.connection.write(frames.rst_stream(self.ident, code))
            self.connection.forget(self)

    def grant(self, size: int) -> None:
        """So many bytes have been used: as many more may come, told in large steps."""
        if self.ended or self.closed:
            return
        self._used += size
        if self._used >= _STEP:
            self.granted += self._used
            self.connection.write(frames.window_update(self.ident, self._used))
            self._used = 0

    def hold(self, size: int) -> bool:
        """Keep so many more bytes (fewer, if negative) of the request; false, and nothing done, without room."""
        room = self.connection.server.room
        if size > 0 and room.lacks(size):
            return False
        room.take(size)
        self.held += size
        if not self.ended:
            self.connection.receiving.held += size
        return True

    def whole(self) -> None:
        """The request has ended: what it holds now waits for the model, no more for its client."""
        self.ended = True
        self.connection.receiving.held -= self.held

    def release(self) -> None:
        """It is over."""
        self.connection.server.room.give(self.held)
        if not self.ended:
            self.connection.receiving.held -= self.held
        self.held = 0

    def _frame(self, size: int) -> None:
        connection, queue = self.connection, self._queue
        self.window -= size
        connection.window -= size
        connection.guard.work += 1
        self.queued -= size
        out: list[bytes | memoryview] = [frames.head(size, frames.DATA, 0, self.ident)]
        while size:
            part = queue.popleft()
            if len(part) > size:
                view = memoryview(part)
                queue.appendleft(view[size:])
                part = view[:size]
            size -= len(part)
            out.append(part)
        connection.write_parts(out)

    def _end(self, trailers: bytes) -> None:
        connection = self.connection
        if trailers:
            connection.write(frames.headers(self.ident, trailers, frames.END_STREAM, connection.frame_size))
        else:
            connection.write(frames.head(0, frames.DATA, frames.END_STREAM, self.ident))
        connection.finished(self)
