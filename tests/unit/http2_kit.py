"""A client that writes HTTP/2 frame by frame, so that it can write wrong ones, too."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import hpack

from mlserve.runtime.http2 import frames

BLOCK = [
    (":method", "POST"), (":scheme", "http"), (":path", "/v2/models/iris/infer"), (":authority", "x"),
]  # fmt: skip
CALL = [
    *BLOCK[:2], (":path", "/inference.GRPCInferenceService/ServerLive"), BLOCK[3],
    ("content-type", "application/grpc"), ("te", "trailers"),
]  # fmt: skip
EMPTY_MESSAGE = bytes(5)


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes


@dataclass
class Wire:
    """One connection."""

    socket: socket.socket
    encoder: Any = field(default_factory=hpack.Encoder)
    decoder: Any = field(default_factory=hpack.Decoder)
    buffer: bytes = b""

    @classmethod
    def open(cls, port: int, settings: dict[int, int] | None = None) -> Wire:
        wire = cls(socket.create_connection(("127.0.0.1", port), timeout=20))
        wire.send(frames.PREFACE + frames.settings(settings or {}))
        return wire

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def frame(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return frames.head(len(payload), kind, flags, stream) + payload

    def headers(self, stream: int, fields: list[tuple[str, str]] = CALL, flags: int = frames.END_HEADERS) -> bytes:
        return self.frame(frames.HEADERS, flags, stream, self.encoder.encode(fields))

    def data(self, stream: int, payload: bytes = EMPTY_MESSAGE, flags: int = frames.END_STREAM) -> bytes:
        return self.frame(frames.DATA, flags, stream, payload)

    def call(self, stream: int) -> None:
        """Ask whether the server lives."""
        self.send(self.headers(stream), self.data(stream))

    def read(self) -> Frame | None:
        """The next frame; ``None`` at the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.buffer += more
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
        return Frame(kind, flags, stream, payload)

    def until(self, kind: int, stream: int | None = None) -> Frame:
        """The next frame of that kind (of that stream)."""
        while (found := self.read()) is not None:
            if found.kind == frames.HEADERS:
                fields = self.decoder.decode(found.payload)
                if found.kind == kind and stream in (None, found.stream):
                    return Frame(kind, found.flags, found.stream, repr(fields).encode())
            elif found.kind == kind and stream in (None, found.stream):
                return found
        raise AssertionError(f"the connection ended before a frame of kind {kind}")

    def answered(self, stream: int) -> list[tuple[str, str]]:
        """Everything in the header blocks of a stream's whole answer."""
        found: list[tuple[str, str]] = []
        while (frame := self.read()) is not None:
            if frame.kind == frames.HEADERS:
                fields = self.decoder.decode(frame.payload)
                if frame.stream == stream:
                    found += fields
            if (
                frame.stream == stream
                and frame.flags & frames.END_STREAM
                and frame.kind in (frames.HEADERS, frames.DATA)
            ):
                return found
        raise AssertionError(f"the connection ended before stream {stream} was answered: {found}")

    def ended(self) -> int:
        """The code with which the server ends the connection."""
        code = -1
        while (frame := self.read()) is not None:
            if frame.kind == frames.GOAWAY:
                code = int.from_bytes(frame.payload[4:8], "big")
        return code
