"""Open a file that may be compressed, for reading within bounds: bytes, time, size of one read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_CHUNK = 1 << 20
MAX_READ = 32 << 20
"""The largest value that is kept; a larger one is skipped over."""


class TooMuch(Exception):
    """Reading went beyond its bounds."""


class Skipped(bytes):
    """Stands for bytes that were passed over: it has their length and none of them."""

    length: int = 0

    def __len__(self) -> int:
        return self.length


class Bounded:
    """A file object that stops at a deadline and keeps no huge value in memory."""

    def __init__(self, file: IO[bytes], *, seconds: float) -> None:
        self._file = file
        self._deadline = time.monotonic() + seconds
        self.at = 0

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; `Skipped` for more than is worth keeping."""
        if time.monotonic() > self._deadline:
            raise TooMuch
        if size > MAX_READ:
            skipped = Skipped()
            skipped.length = self.skip(size)
            return skipped
        data = self._file.read(size)
        self.at += len(data)
        return data

    def readline(self) -> bytes:
        """One line, of a bounded length."""
        data = self._file.readline(MAX_READ)
        self.at += len(data)
        return data

    def tell(self) -> int:
        """Bytes read so far."""
        return self.at

    def skip(self, size: int) -> int:
        """Pass over bytes; how many there were."""
        left = size
        while left > 0:
            if time.monotonic() > self._deadline:
                raise TooMuch
            data = self._file.read(min(left, _CHUNK))
            if not data:
                break
            left -= len(data)
        self.at += size - left
        return size - left


class _Zlib(io.RawIOBase):
    """A zlib stream as a file object (joblib's ``.z``)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decompressor = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._decompressor.eof:
            compressed = self._decompressor.unconsumed_tail or self._file.read(1 << 16)
            data = self._decompressor.decompress(compressed, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            if not compressed:
                raise EOFError("it ends before its end-of-stream marker")
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def compression(head: bytes) -> str:
    """How a file that begins so is compressed; "" for not at all."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh"):
        return "bz2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith(b"\x5d\x00\x00"):
        return "lzma"
    if head.startswith(b"\x04\x22\x4d\x18"):
        return "lz4"
    if head[:1] == b"\x78" and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0:
        return "zlib"
    return ""


_OPENERS: dict[str, Callable[[Path], Any]] = {
    "": lambda path: path.open("rb"),
    "gzip": gzip.open,
    "bz2": bz2.open,
    "xz": lzma.open,
    "lzma": lambda path: lzma.LZMAFile(path, format=lzma.FORMAT_ALONE),  # noqa: SIM115 - closed by who asked
    "zlib": lambda path: io.BufferedReader(_Zlib(path), 1 << 18),
}

DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What reading a damaged compressed file raises."""


def opened(path: Path, kind: str) -> Any:
    """The decompressed file, as a context; raises TooMuch for a compression that can't be read here."""
    if kind not in _OPENERS:
        raise TooMuch
    return _OPENERS[kind](path)
