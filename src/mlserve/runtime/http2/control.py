"""The frames that are about the connection itself: settings, windows, pings, goodbyes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlserve.runtime.http2 import frames, reader
from mlserve.runtime.http2.frames import Violation

if TYPE_CHECKING:
    from mlserve.runtime.http2.connection import Connection

_MOST_SETTINGS = 32 * 6


def take(connection: Connection, kind: int, flags: int, ident: int, payload: bytes) -> None:
    """Do what the frame says; raises Violation."""
    handler = _HANDLERS.get(kind)
    if handler is None:
        connection.guard.idle()  # of an extension: to be ignored
    else:
        handler(connection, flags, ident, payload)


def _priority(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    connection.guard.idle()
    if len(payload) != 5:
        raise Violation(frames.FRAME_SIZE_ERROR, "a priority without its five bytes")


def _rst_stream(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    if len(payload) != 4:
        raise Violation(frames.FRAME_SIZE_ERROR, "RST_STREAM without its four bytes")
    stream = connection.streams.get(ident)
    if stream is None:
        connection.receiving.check_known(ident)
        connection.guard.idle()
    else:
        connection.forget(stream)
        connection.guard.reset()


def _settings(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    connection.guard.idle()
    if ident:
        raise Violation(frames.PROTOCOL_ERROR, "SETTINGS of a stream")
    if len(payload) % 6 or (flags & frames.ACK and payload):
        raise Violation(frames.FRAME_SIZE_ERROR, "settings have six bytes each, an acknowledgement none")
    if flags & frames.ACK:
        return
    before = connection.peer_window
    if len(payload) > _MOST_SETTINGS:
        raise Violation(frames.ENHANCE_YOUR_CALM, "the same settings again and again")  # each may concern all streams
    for at in range(0, len(payload), 6):
        key, value = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
        _set(connection, key, value)
    connection.write(frames.settings_ack())
    if connection.peer_window > before:
        connection.push()


def _set(connection: Connection, key: int, value: int) -> None:
    if key == frames.INITIAL_WINDOW_SIZE:
        if value > frames.LARGEST_WINDOW:
            raise Violation(frames.FLOW_CONTROL_ERROR, "a window larger than can be")
        more, connection.peer_window = value - connection.peer_window, value
        for stream in connection.streams.values():
            stream.window += more
            if stream.window > frames.LARGEST_WINDOW:
                raise Violation(frames.FLOW_CONTROL_ERROR, "a window larger than can be")
    elif key == frames.MAX_FRAME_SIZE:
        if not frames.USUAL_FRAME <= value < 1 << 24:
            raise Violation(frames.PROTOCOL_ERROR, "a frame size that can't be")
        connection.frame_size = min(value, reader.LARGEST)
    elif key == frames.ENABLE_PUSH and value > 1:
        raise Violation(frames.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")


def _push_promise(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    raise Violation(frames.PROTOCOL_ERROR, "a client can't push")


def _ping(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    connection.guard.idle()
    if ident or len(payload) != 8:
        raise Violation(frames.PROTOCOL_ERROR if ident else frames.FRAME_SIZE_ERROR, "PING has eight bytes")
    if not flags & frames.ACK:
        connection.write(frames.ping(payload, frames.ACK))


def _goaway(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    connection.left()


def _window_update(connection: Connection, flags: int, ident: int, payload: bytes) -> None:
    if len(payload) != 4:
        raise Violation(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE without its four bytes")
    more = int.from_bytes(payload, "big") & frames.LARGEST_WINDOW
    connection.guard.idle()
    if ident == 0:
        waited = connection.window <= 0
        connection.window += more
        if not more or connection.window > frames.LARGEST_WINDOW:
            raise Violation(frames.FLOW_CONTROL_ERROR if more else frames.PROTOCOL_ERROR, "a window that can't be")
        if waited:  # else the streams that wait do so for windows of their own
            connection.push()
        return
    stream = connection.streams.get(ident)
    if stream is None:
        connection.receiving.check_known(ident)
        return
    stream.window += more
    if not more or stream.window > frames.LARGEST_WINDOW:
        connection.guard.reset()
        stream.reset(frames.FLOW_CONTROL_ERROR if more else frames.PROTOCOL_ERROR)
    elif stream.blocked:
        stream.push()


_HANDLERS: dict[int, Callable[[Connection, int, int, bytes], None]] = {
    frames.PRIORITY: _priority,
    frames.RST_STREAM: _rst_stream,
    frames.SETTINGS: _settings,
    frames.PUSH_PROMISE: _push_promise,
    frames.PING: _ping,
    frames.GOAWAY: _goaway,
    frames.WINDOW_UPDATE: _window_update,
}
