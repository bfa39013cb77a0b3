"""A file that comes in pieces, perhaps in several processes in turn; which pieces are here is kept beside it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

PIECE = 8 << 20


class Partial:
    """``path`` has its full length from the start; ``path.pieces`` lists the pieces that were written."""

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self.path, self.size, self._fd, self._lock = path, size, fd, threading.Lock()
        self._list = path.with_name(f"{path.name}.pieces")
        self._here = self._read() if os.fstat(fd).st_size == size else set[int]()
        if not self._here:
            self.start_over()

    def start_over(self) -> None:
        """None of the pieces is of use."""
        self._here = set()
        self._list.write_text(f"{_boot()} {PIECE}\n")
        os.truncate(self._fd, 0)
        os.truncate(self._fd, self.size)

    @property
    def here(self) -> int:
        """Bytes that came already."""
        return sum(min(PIECE, self.size - piece * PIECE) for piece in self._here)

    def missing(self) -> list[range]:
        """The bytes that are still to come, piece by piece."""
        return [piece for number, piece in enumerate(self._pieces()) if number not in self._here]

    def write(self, offset: int, data: bytes) -> None:
        """Write some bytes of a piece."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view, offset = view[written:], offset + written

    def done(self, piece: range) -> None:
        """All bytes of a piece are written."""
        number = piece.start // PIECE
        with self._lock, self._list.open("a") as listed:
            listed.write(f"{number}\n")
            self._here.add(number)

    def sync(self) -> None:
        """Make the bytes survive a power cut."""
        os.fsync(self._fd)

    def forget(self) -> None:
        """Drop it: the pieces are of no use."""
        self.path.unlink(missing_ok=True)
        self.finished()

    def finished(self) -> None:
        """The file has gone to its place: the list of pieces goes."""
        self._list.unlink(missing_ok=True)

    def _pieces(self) -> Iterator[range]:
        return (range(start, min(start + PIECE, self.size)) for start in range(0, self.size, PIECE))

    def _read(self) -> set[int]:
        try:
            head, *lines = self._list.read_text().splitlines()
        except (FileNotFoundError, ValueError):
            return set()
        if head != f"{_boot()} {PIECE}":  # pieces are not synced one by one: after a power cut they may be holes
            return set()
        count = -(-self.size // PIECE)
        return {int(line) for line in lines if line.isdigit() and int(line) < count}


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"
