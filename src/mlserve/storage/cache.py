"""Files that were fetched before, by what they are (address, ETag, size): for all processes of a host, bounded."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlserve.errors import FetchFailed
from mlserve.storage.disk import existing, parse_size
from mlserve.storage.partial import Partial
from mlserve.storage.placing import drop, file_size

DEFAULT_BOUND = 20_000_000_000
_POLL_SECONDS = 0.05
_PARTIAL_SECONDS = 7 * 24 * 3600.0
"""What broke off and was not gone on with for so long is given up."""


def bound_of(text: str, folder: Path) -> int:
    """The bound that a setting names (``20GB``, ``500MB``, bytes); empty: 20 GB, or a fifth of a smaller disk."""
    if text:
        return parse_size(text)
    return min(DEFAULT_BOUND, shutil.disk_usage(existing(folder)).total // 5)


def key_of(*parts: object) -> str:
    """The name of a file in the cache; what it is made of can't be read from it."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cache holds. ``used``: bytes that versions share, which no eviction would free."""

    files: int
    size: int
    used: int
    bound: int


class Cache:
    """``files/<key>`` are whole and never written to again; ``partial/<key>`` are on their way.

    ``linked`` places share their bytes with the cache, and then with the content store, whose blob is the second link
    of a file and whose trees are further ones: a file with more than two is one that a version uses. ``keeps``: else
    it is a place for partial files alone, which goes with the fetch that made it.
    """

    def __init__(self, root: Path, bound: int = DEFAULT_BOUND, *, keeps: bool = True) -> None:
        self.root, self.bound, self.keeps = root, bound, keeps
        self._files, self._partial = root / "files", root / "partial"
        for folder in (self._files, self._partial):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def has(self, key: str, size: int) -> bool:
        """Whether the file is here with all its bytes."""
        return file_size(self._files / key) == size

    def take(self, key: str, size: int, place: Path, *, linked: bool) -> bool:
        """Put the file under ``place``; False where it is not here."""
        file = self._files / key
        if file_size(file) != size:
            file.unlink(missing_ok=True)
            return False
        with suppress(FileNotFoundError):  # evicted in this moment
            os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
            _put(file, place, linked=linked)
            return True
        return False

    @contextmanager
    def filling(self, key: str, size: int, seconds: float) -> Iterator[Partial | None]:
        """The file on its way, for one writer at a time; None where another one has brought it meanwhile."""
        path = self._partial / key
        with _locked(path, time.monotonic() + seconds) as fd:
            if self.has(key, size):
                path.unlink(missing_ok=True)
                yield None
            else:
                yield Partial(path, fd, size)

    def here(self, key: str, size: int) -> int:
        """About how many bytes of a file that broke off are on this disk."""
        found = self._partial / key
        try:
            return min(found.stat().st_blocks * 512, size)
        except FileNotFoundError:
            return 0

    def keep(self, partial: Partial, place: Path, *, linked: bool) -> None:
        """The file is whole and checked: put it under ``place`` and keep it."""
        if not self.keeps:
            os.replace(partial.path, place)
        else:
            partial.sync()
            _put(partial.path, place, linked=linked)
            os.replace(partial.path, self._files / partial.path.name)
        partial.finished()

    def add(self, file: Path, key: str, *, linked: bool) -> None:
        """Keep a file that came whole by other means."""
        _put(file, self._files / key, linked=linked)

    def drop(self, key: str) -> None:
        """Forget a file and what came of it."""
        for item in (self._files / key, self._partial / key, self._partial / f"{key}.pieces"):
            item.unlink(missing_ok=True)

    def trim(self, *, room: int = 0) -> None:
        """Drop what was used longest ago until the bound is kept and ``room`` bytes are free; never what is in use."""
        self._give_up_partials()
        unused = [(seen, file) for seen, file in self._listed() if seen.st_nlink <= 2]
        size = sum(seen.st_size for seen, _ in unused)
        for seen, file in sorted(unused, key=lambda item: item[0].st_atime_ns):
            if size <= self.bound and shutil.disk_usage(self.root).free >= room:
                return
            file.unlink(missing_ok=True)
            size -= seen.st_size

    def usage(self) -> Usage:
        """What is here now."""
        seen = [seen for seen, _ in self._listed()]
        used = sum(one.st_size for one in seen if one.st_nlink > 2)
        return Usage(len(seen), sum(one.st_size for one in seen), used, self.bound)

    def _listed(self) -> Iterator[tuple[os.stat_result, Path]]:
        for item in os.scandir(self._files):
            with suppress(FileNotFoundError):
                yield item.stat(), Path(item.path)

    def _give_up_partials(self) -> None:
        before = time.time() - _PARTIAL_SECONDS
        for item in self._partial.iterdir():
            with suppress(FileNotFoundError):
                if item.stat().st_mtime < before:
                    item.unlink()


@contextmanager
def workplace(cache: Cache | None, dest: Path) -> Iterator[Cache]:
    """The cache, or a place beside ``dest`` that keeps what broke off for the next call, and goes with success."""
    if cache:
        yield cache
        return
    root = dest.with_name(f"{dest.name}.part")
    own = Cache(root, keeps=False)
    try:
        yield own
    except BaseException:
        if not any(root.glob("partial/*.pieces")):
            drop(root)
        raise
    drop(root)


def _put(file: Path, place: Path, *, linked: bool) -> None:
    place.unlink(missing_ok=True)
    if linked:
        with suppress(OSError):  # another disk, or a file with as many links as it may have
            os.link(file, place)
            return
    shutil.copyfile(file, place)


@contextmanager
def _locked(path: Path, deadline: float) -> Iterator[int]:
    """The file, made where absent, for one writer at a time; opened anew if it went away while we waited."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(fd, path, deadline)
            if _is_still(path, fd):
                yield fd
                return
        finally:
            os.close(fd)


def _is_still(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _lock(fd: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                raise FetchFailed(
                    "another process fetches the same, and did not get on with it",
                    hint="end it, or try again later",
                    details=[{"code": "timeout", "path": str(path)}],
                ) from exc
            time.sleep(_POLL_SECONDS)
        else:
            return
