"""Captured lines in files of a folder, begun anew when they are large; the oldest go when there are too many."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import BinaryIO

_FILE = 16 << 20
_FOLDER = 256 << 20


class CaptureFolder:
    """Several instances may share the folder: each writes files of its own. Nobody but the owner may read them."""

    def __init__(self, folder: Path, *, largest: int = _FILE, most: int = _FOLDER) -> None:
        self.folder = folder
        self._largest, self._most = largest, most
        self._file: BinaryIO | None = None
        self._size = self._number = 0

    @property
    def where(self) -> str:
        return str(self.folder)

    def write(self, lines: bytes) -> None:
        if self._file is None or self._size + len(lines) > self._largest:
            self._next()
        assert self._file is not None  # noqa: S101 - `_next` opened it
        self._file.write(lines)
        self._size += len(lines)

    def tick(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next(self) -> None:
        self.close()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room()
        self._number += 1
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{self._number:04}.jsonl"
        handle = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file, self._size = os.fdopen(handle, "ab"), 0

    def _make_room(self) -> None:
        sizes: list[tuple[str, Path, int]] = []
        for path in self.folder.glob("*.jsonl"):
            try:
                sizes.append((path.name, path, path.stat().st_size))
            except FileNotFoundError:  # another instance has just made room
                continue
        total = sum(size for _, _, size in sizes) + self._largest
        for _, path, size in sorted(sizes):
            if total <= self._most:
                return
            path.unlink(missing_ok=True)
            total -= size
