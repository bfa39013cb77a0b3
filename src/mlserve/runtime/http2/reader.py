"""Bytes as they come, cut into frames. Parts of a long DATA frame are handed on without waiting for the rest."""

from __future__ import annotations

from typing import Protocol

from mlserve.runtime.http2 import frames
from mlserve.runtime.http2.frames import Violation

LARGEST = 1 << 20
"""The DATA frames that a client may send."""
_SMALL = 16384
"""The largest of a frame that is neither DATA nor part of a header block."""
_HEAD, _KIND = 9, 3
_DATA = bytes((frames.DATA,))


class Sink(Protocol):
    """Who takes the frames."""

    def frame(self, kind: int, flags: int, ident: int, payload: bytes) -> None:
        """A whole frame."""

    def body(self, ident: int, chunk: bytes, size: int, ends: bool) -> None:
        """Some of a DATA frame: of ``size`` bytes with its padding, the last of the stream where it ``ends``."""


class Reader:
    """One connection's. Raises Violation."""

    def __init__(self, sink: Sink, largest_block: int) -> None:
        self._sink = sink
        self._largest_block = largest_block
        self._preface = frames.PREFACE
        self._rest = b""
        self._left, self._ident, self._ends = 0, 0, False  # of a DATA frame that has come in part
        self._turn = 1  # another one whenever something has come as a whole
        self._block_of = 0  # the stream whose header block is not whole yet
        self.stopped = False
        """Nothing more is wanted."""

    @property
    def halfway(self) -> int:
        """Which preface, header block or other frame than DATA has come in part; 0: none."""
        if self._preface or self._block_of:
            return self._block_of or -1
        return -1 - self._turn if self._rest and self._rest[_KIND : _KIND + 1] != _DATA else 0

    def feed(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        if self._preface and not (data := self._begin(data)):
            return
        at, end = 0, len(data)
        if self._left:
            at = min(end, self._left)
            self._piece(data[:at])
        while end - at >= _HEAD and not self.stopped:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            kind, flags = data[at + 3], data[at + 4]
            ident = int.from_bytes(data[at + 5 : at + _HEAD], "big") & frames.LARGEST_WINDOW
            start, stop = at + _HEAD, at + _HEAD + length
            if length > _SMALL:
                self._check_size(kind, length)
            if self._block_of or kind == frames.CONTINUATION:
                self._check_block(kind, ident)
            if stop > end:
                if kind != frames.DATA or flags & frames.PADDED:
                    break
                self._left, self._ident, self._ends = length, ident, bool(flags & frames.END_STREAM)
                self._piece(data[start:end])
                return
            at = stop
            if kind in (frames.HEADERS, frames.CONTINUATION):
                self._block_of = 0 if flags & frames.END_HEADERS else ident
            self._sink.frame(kind, flags, ident, data[start:stop])
        if at:
            self._turn += 1
        self._rest = data[at:]

    def _begin(self, data: bytes) -> bytes:
        preface = self._preface
        if len(data) < len(preface) and preface.startswith(data):
            self._rest = data
            return b""
        if not data.startswith(preface):
            raise Violation(frames.PROTOCOL_ERROR, "HTTP/2 begins with PRI * HTTP/2.0")
        self._preface = b""
        return data[len(preface) :]

    def _piece(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if chunk:
            self._sink.body(self._ident, chunk, len(chunk), self._ends and not self._left)

    def _check_size(self, kind: int, length: int) -> None:
        if kind == frames.DATA:
            if length > LARGEST:
                raise Violation(frames.FRAME_SIZE_ERROR, "a frame larger than agreed")
        elif kind in (frames.HEADERS, frames.CONTINUATION):
            if length > self._largest_block:
                raise Violation(frames.ENHANCE_YOUR_CALM, "the headers are too large")
        else:
            raise Violation(frames.FRAME_SIZE_ERROR, "a frame larger than it can be")

    def _check_block(self, kind: int, ident: int) -> None:
        if kind != frames.CONTINUATION or ident != self._block_of:
            raise Violation(frames.PROTOCOL_ERROR, "a header block goes on in CONTINUATION frames, and in nothing else")
