"""Files as the tar stream that an engine takes them in, piece by piece."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlserve.errors import FetchFailed

ROOT = "data"
"""The folder in the stream that holds everything: of its own root an engine takes no owner and mode."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the files are in there, and whether that user may write to them."""

    uid: int = 0
    gid: int = 0
    may_write: bool = False
    alone: bool = False
    """Nobody else may read them."""

    def mode(self, *, runs: bool) -> int:
        """The mode of a folder, or of a file that can be run; without that, of another file."""
        mode = 0o755 if self.may_write else 0o555
        mode = mode if runs else mode & 0o666
        return mode & 0o700 if self.alone else mode


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One file of a folder here."""

    name: str
    file: Path
    size: int
    mtime: int
    runs: bool


def owner_of(user: str, *, may_write: bool = False, alone: bool = False) -> Owner:
    """The owner for a program that runs as ``uid:gid``; a user by name is taken for root."""
    uid, _, gid = user.partition(":")
    return Owner(int(uid) if uid.isdecimal() else 0, int(gid) if gid.isdecimal() else 0, may_write, alone)


def look(source: Path) -> list[Found]:
    """The files below a folder, or that one file; links are followed, but not into a folder that holds them."""
    source = source.resolve()
    if source.is_file():
        return [_found(source.name, source)]
    return sorted(_below(source, "", ()))


def fingerprint(source: Path, found: list[Found]) -> str:
    """Names what is there now: another one as soon as a file has changed."""
    told = [[one.name, one.size, one.file.stat().st_mtime_ns, one.runs] for one in found]
    return hashlib.sha256(json.dumps([str(source.resolve()), told]).encode()).hexdigest()


def of_files(found: list[Found], owner: Owner) -> Iterator[bytes]:
    """The stream of files here; raises FetchFailed for one that changes meanwhile."""
    yield _folder(ROOT, owner)
    made: set[str] = set()
    for one in found:
        yield from _parents(one.name, made, owner)
        info = _entry(f"{ROOT}/{one.name}", owner.mode(runs=one.runs), owner)
        info.size, info.mtime = one.size, one.mtime
        yield _head(info)
        yield from _content(one)
    yield _end()


def of_texts(texts: Mapping[str, str], owner: Owner) -> Iterator[bytes]:
    """The stream of a folder with these files in it; without any, of an empty folder."""
    yield _folder(ROOT, owner)
    for name, text in texts.items():
        yield _text(f"{ROOT}/{name}", text, owner)
    yield _end()


def of_text(name: str, text: str, owner: Owner) -> bytes:
    """The stream of one file, for a folder that is there."""
    return _text(name, text, owner) + _end()


def _text(name: str, text: str, owner: Owner) -> bytes:
    data = text.encode()
    info = _entry(name, owner.mode(runs=False), owner)
    info.size = len(data)
    return _head(info) + data + _padding(len(data))


def _below(folder: Path, prefix: str, above: tuple[str, ...]) -> Iterator[Found]:
    real = os.path.realpath(folder)
    if real in above:
        return
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        if item.is_dir():
            yield from _below(Path(item.path), f"{prefix}{item.name}/", (*above, real))
        elif item.is_file():
            yield _found(f"{prefix}{item.name}", Path(item.path))


def _found(name: str, file: Path) -> Found:
    seen = file.stat()
    return Found(name, file, seen.st_size, int(seen.st_mtime), bool(seen.st_mode & 0o100))


def _parents(name: str, made: set[str], owner: Owner) -> Iterator[bytes]:
    parts = name.split("/")[:-1]
    for length in range(1, len(parts) + 1):
        folder = "/".join(parts[:length])
        if folder not in made:
            made.add(folder)
            yield _folder(f"{ROOT}/{folder}", owner)


def _folder(name: str, owner: Owner) -> bytes:
    info = _entry(name, owner.mode(runs=True), owner)
    info.type = tarfile.DIRTYPE
    return _head(info)


def _entry(name: str, mode: int, owner: Owner) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid = mode, owner.uid, owner.gid
    return info


def _head(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(one: Found) -> Iterator[bytes]:
    left = one.size
    with one.file.open("rb") as file:
        while left and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
        if left or file.read(1):
            raise FetchFailed(f"{one.file} changed while it was brought to an instance", hint="try again")
    yield _padding(one.size)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % tarfile.BLOCKSIZE)


def _end() -> bytes:
    return b"\0" * (2 * tarfile.BLOCKSIZE)
