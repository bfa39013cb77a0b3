"""Read the log files that shims write: the last lines, everything since a time, or as they grow."""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mlserve.backends.base import LogLine

_BLOCK = 64 * 1024
_FILES = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of a run are asked for; ``since``: seconds since the epoch."""

    tail: int | None = None
    since: float | None = None
    previous: bool = False


def read(directories: Mapping[str, Path], wanted: Wanted) -> list[LogLine]:
    """The lines of several instances (id → directory) in time order."""
    streams = [_of_instance(instance, path, wanted) for instance, path in directories.items()]
    merged = heapq.merge(*streams, key=lambda line: line.at)
    return list(merged if wanted.tail is None else deque(merged, maxlen=wanted.tail))


def last_lines(directory: Path, count: int) -> list[str]:
    """The text of the newest lines of an instance's current run."""
    return [line.text for line in _of_instance("", directory, Wanted(tail=count))]


class Tail:
    """Follows the current log of one instance through rotations and restarts."""

    def __init__(self, instance: str, directory: Path, *, from_start: bool) -> None:
        self._instance, self._directory = instance, directory
        newest = directory / "current.log"
        self._inode, self._offset = (0, 0) if from_start else _position(newest)

    def new_lines(self) -> Iterator[LogLine]:
        """Whole lines that were added since the last call."""
        with ExitStack() as stack:
            for inode, file in self._unread(stack):
                yield from self._rest_of(inode, file)

    def _unread(self, stack: ExitStack) -> Sequence[tuple[int, BinaryIO]]:
        """The file that was read last, by whatever name it has now, and those that came after it."""
        current = _opened(self._directory, "current", stack)
        inodes = [inode for inode, _ in current]
        if self._inode in inodes:
            return current[inodes.index(self._inode) :]
        before = [found for found in _opened(self._directory, "previous", stack) if found[0] == self._inode]
        return [*before, *current]

    def _rest_of(self, inode: int, file: BinaryIO) -> Iterator[LogLine]:
        if inode != self._inode:
            self._inode, self._offset = inode, 0
        file.seek(self._offset)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        yield from (_parse(self._instance, line) for line in whole.split(b"\n")[:-1])


def _opened(directory: Path, run: str, stack: ExitStack) -> list[tuple[int, BinaryIO]]:
    """The files of a run by inode, oldest first. Opened from the newest on: one that moves meanwhile is met twice."""
    found: dict[int, BinaryIO] = {}
    for path in _names(directory, run):
        with suppress(FileNotFoundError):
            file = stack.enter_context(path.open("rb"))
            found.setdefault(os.fstat(file.fileno()).st_ino, file)
    return list(found.items())[::-1]


def _of_instance(instance: str, directory: Path, wanted: Wanted) -> Iterator[LogLine]:
    files = _files(directory, "previous" if wanted.previous else "current")
    lines = _all_lines(files) if wanted.tail is None else _newest_lines(files, wanted.tail)
    parsed = (_parse(instance, line) for line in lines)
    return (line for line in parsed if wanted.since is None or line.at >= wanted.since)


def _files(directory: Path, run: str) -> list[tuple[Path, int]]:
    """Oldest first, each with its size."""
    sizes = [(path, _position(path)) for path in _names(directory, run)]
    return [(path, size) for path, (inode, size) in reversed(sizes) if inode]


def _names(directory: Path, run: str) -> list[Path]:
    """What the files of a run may be called, newest first."""
    return [directory / f"{run}.log", *(directory / f"{run}.log.{number}" for number in range(1, _FILES))]


def _all_lines(files: Sequence[tuple[Path, int]]) -> Iterator[bytes]:
    for path, _ in files:
        with suppress(FileNotFoundError), path.open("rb") as file:
            yield from (line.rstrip(b"\n") for line in file)


def _newest_lines(files: Sequence[tuple[Path, int]], count: int) -> list[bytes]:
    found: list[bytes] = []
    for path, size in reversed(files):
        found = [*_last_of(path, size, count - len(found)), *found]
        if len(found) >= count:
            break
    return found


def _last_of(path: Path, size: int, count: int) -> list[bytes]:
    data, at = b"", size
    with suppress(FileNotFoundError), path.open("rb") as file:
        while at > 0 and data.count(b"\n") <= count:
            step = min(_BLOCK, at)
            at -= step
            data = os.pread(file.fileno(), step, at) + data
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    return lines[-count:] if count > 0 else []


def _position(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size


def _parse(instance: str, line: bytes) -> LogLine:
    stamp, _, text = line.decode(errors="replace").partition(" ")
    try:
        at = datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return LogLine(0.0, instance, line.decode(errors="replace"))
    return LogLine(at, instance, text)
