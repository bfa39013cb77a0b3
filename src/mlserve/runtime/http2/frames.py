"""Frames of HTTP/2 (RFC 9113): their numbers, and the bytes of those that are sent."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(
    7
)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 7, 8, 9
ENHANCE_YOUR_CALM = 0xB

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
USUAL_WINDOW = 65535
USUAL_FRAME = 16384
LARGEST_WINDOW = (1 << 31) - 1

_HEAD = struct.Struct(">HBBBI")


class Violation(Exception):
    """The client breaks the rules, or asks too much: the connection ends with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The nine bytes before a frame's payload."""
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream)


def settings(values: dict[int, int]) -> bytes:
    payload = b"".join(struct.pack(">HI", key, value) for key, value in values.items())
    return head(len(payload), SETTINGS, 0, 0) + payload


def settings_ack() -> bytes:
    return head(0, SETTINGS, ACK, 0)


def ping(payload: bytes, flags: int = 0) -> bytes:
    return head(8, PING, flags, 0) + payload


def window_update(stream: int, more: int) -> bytes:
    return head(4, WINDOW_UPDATE, 0, stream) + more.to_bytes(4, "big")


def rst_stream(stream: int, code: int) -> bytes:
    return head(4, RST_STREAM, 0, stream) + code.to_bytes(4, "big")


def goaway(last: int, code: int, reason: str = "") -> bytes:
    payload = struct.pack(">II", last, code) + reason.encode()[:512]
    return head(len(payload), GOAWAY, 0, 0) + payload


def headers(stream: int, block: bytes, flags: int, most: int = USUAL_FRAME) -> bytes:
    """A header block as HEADERS and as many CONTINUATION frames as it needs."""
    if len(block) <= most:
        return head(len(block), HEADERS, flags | END_HEADERS, stream) + block
    parts = [block[at : at + most] for at in range(0, len(block), most)]
    out = [head(most, HEADERS, flags, stream), parts[0]]
    for part in parts[1:-1]:
        out += [head(most, CONTINUATION, 0, stream), part]
    out += [head(len(parts[-1]), CONTINUATION, END_HEADERS, stream), parts[-1]]
    return b"".join(out)
