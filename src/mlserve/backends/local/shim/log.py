"""A program's output: lines with their time, in rotated files."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

MAX_LINE = 16 * 1024


class Log:
    """Lines with their time in rotated files. A full disk loses lines, never the program."""

    def __init__(self, directory: Path, limit: int, files: int) -> None:
        self._directory, self._limit, self._files = directory, limit, files
        self._rest, self._lost, self._size, self._file = b"", 0, 0, -1

    def begin(self) -> None:
        """Put the last run's files aside as ``previous``."""
        for number in range(self._files):
            self._rename(self._path("current", number), self._path("previous", number))
        self.resume()

    def resume(self) -> None:
        """Go on behind what is there."""
        try:
            self._file = os.open(self._path("current", 0), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._size = os.fstat(self._file).st_size
        except OSError:
            self._file = -1

    def feed(self, data: bytes) -> None:
        """Take what the program wrote; whole lines are written, the rest waits for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE:
            lines.append(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]
        self._write(lines)

    def close(self) -> None:
        if self._rest:
            self._write([self._rest])

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}Z ".encode()
        pieces = [line[at : at + MAX_LINE] for line in lines for at in range(0, max(len(line), 1), MAX_LINE)]
        if self._lost:
            pieces.insert(0, b"[mlserve] %d lines lost: the disk was full" % self._lost)
        block = b"".join(stamp + piece.rstrip(b"\r") + b"\n" for piece in pieces)
        if self._size and self._size + len(block) > self._limit:
            self._rotate()
        if self._put(block):
            self._lost = 0
        else:
            self._lost += len(lines)

    def _put(self, block: bytes) -> bool:
        if self._file < 0:
            self.resume()
        try:
            written = os.write(self._file, block)
        except OSError:
            return False
        self._size += written
        return written == len(block)

    def _rotate(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        for number in range(self._files - 1, 0, -1):
            self._rename(self._path("current", number - 1), self._path("current", number))
        self.resume()

    def _path(self, run: str, number: int) -> Path:
        return self._directory / (f"{run}.log.{number}" if number else f"{run}.log")

    @staticmethod
    def _rename(old: Path, new: Path) -> None:
        try:
            old.rename(new)
        except FileNotFoundError:
            new.unlink(missing_ok=True)
        except OSError as exc:
            sys.stderr.write(f"{old}: {exc}\n")
