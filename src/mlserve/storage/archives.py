"""Unpack tar and zip archives of strangers: nothing outside the folder, no devices, no bombs, all or an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from mlserve.errors import FetchFailed
from mlserve.storage.base import Limits
from mlserve.storage.disk import names_full_disk, size_text
from mlserve.storage.names import unsafe
from mlserve.storage.placing import leads_inside

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")

_CHUNK = 1 << 20
_HEADER = 1 << 24
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


def is_archive(name: str) -> bool:
    """Whether a file of this name is one that gets unpacked."""
    return name.lower().endswith(SUFFIXES)


def without_suffix(name: str) -> str:
    """``model-1.0.tar.gz`` → ``model-1.0``."""
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def unpack(archive: Path, dest: Path, limits: Limits, *, name: str = "") -> None:
    """Unpack into the directory ``dest``, which is emptied again when anything is wrong.

    Raises FetchFailed (code in details: ``bad-archive``, ``unsafe-archive``, ``too-large``) or NoCapacity (full disk).
    """
    name = name or archive.name
    dest.mkdir(parents=True, exist_ok=True)
    try:
        with names_full_disk(f"what {name} contains", dest), _named_damage(name):
            _Unpacking(name, dest, limits, archive.stat().st_size).run(archive)
    except BaseException:
        for item in dest.iterdir():
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        raise


class _Unpacking:
    """One archive on its way to disk. Counts what comes out; links are made last, so that no file goes through one."""

    def __init__(self, name: str, dest: Path, limits: Limits, packed: int) -> None:
        self.name, self.dest, self.limits = name, dest, limits
        self.most = min(limits.max_bytes, max(limits.ratio_from, limits.max_ratio * packed))
        self.files = self.size = 0
        self.links: list[tuple[str, str]] = []

    def run(self, archive: Path) -> None:
        with archive.open("rb") as file:
            magic = file.read(6)
            if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                self._zip(file)
            else:
                self._tar(archive, magic)
        for member, target in self.links:
            self._link(member, target)
        self._check_links()
        if not self.files:
            raise _bad(self.name, "there is nothing in it", "pack it again")

    def _zip(self, file: IO[bytes]) -> None:
        with zipfile.ZipFile(file) as packed:
            for member in packed.infolist():
                mode = member.external_attr >> 16
                if member.flag_bits & 1:
                    raise _bad(self.name, "it is encrypted", "pack it without a password")
                if stat.S_ISLNK(mode):
                    if member.file_size > 4096:
                        raise _unsafe(self.name, member.filename, "a link with a target that is too long")
                    self.links.append((member.filename, packed.read(member).decode()))
                elif member.is_dir():
                    self._folder(member.filename)
                elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                    with packed.open(member) as data:
                        self._file(member.filename, data, bool(mode & stat.S_IXUSR))
                else:
                    raise _unsafe(self.name, member.filename, "neither a file nor a folder")

    def _tar(self, archive: Path, magic: bytes) -> None:
        with (
            _decompressed(archive, magic) as plain,
            tarfile.open(fileobj=(guard := _Guarded(plain, self.name))) as packed,
        ):
            for member in packed:
                if member.isdir():
                    self._folder(member.name)
                elif member.issym():
                    self.links.append((member.name, member.linkname))
                elif member.islnk():
                    self._twin(member.name, member.linkname)
                elif member.isreg() and (data := packed.extractfile(member)):
                    self._file(member.name, data, bool(member.mode & stat.S_IXUSR))
                else:
                    raise _unsafe(self.name, member.name, "neither a file nor a folder")
        if guard.last.strip(b"\0") or not guard.last:
            raise tarfile.ReadError("it ends before its end")

    def _folder(self, member: str) -> None:
        if PurePosixPath(member).parts:
            self._counted(member).mkdir(parents=True, exist_ok=True)

    def _file(self, member: str, data: IO[bytes], executable: bool) -> None:
        place = self._counted(member)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        with place.open("xb") as file:
            while chunk := data.read(_CHUNK):
                self.size += len(chunk)
                if self.size > self.most:
                    raise _too_large(self.name, f"it unpacks to more than {size_text(self.most)}")
                file.write(chunk)
        place.chmod(0o755 if executable else 0o644)

    def _twin(self, member: str, target: str) -> None:
        place, original = self._counted(member), self.dest / self._safe(target)
        if not original.is_file():
            raise _unsafe(self.name, member, f"a hard link to {target!r}, which is not in it")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        os.link(original, place)

    def _link(self, member: str, target: str) -> None:
        place = self._counted(member)
        inside = os.path.normpath(PurePosixPath(member).parent / target)
        if target.startswith("/") or "\0" in target or inside.startswith(".."):
            raise _unsafe(self.name, member, f"a link that leads outside: {target!r}")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not leads_inside(place.parent, self.dest):
            raise _unsafe(self.name, member, "a link below a link that leads outside")
        os.symlink(target, place)

    def _check_links(self) -> None:
        for member, target in self.links:
            if not leads_inside(self.dest / member, self.dest):
                raise _unsafe(self.name, member, f"a link that leads outside, or in a circle: {target!r}")

    def _counted(self, member: str) -> Path:
        self.files += 1
        if self.files > self.limits.max_files:
            raise _too_large(self.name, f"it has more than {self.limits.max_files} files")
        return self.dest / self._safe(member)

    def _safe(self, member: str) -> str:
        if why := unsafe(member):
            raise _unsafe(self.name, member, why)
        return member


class _Guarded(io.RawIOBase):
    """The plain bytes of a tar. A header may claim to be gigabytes long; tarfile would read it in one go."""

    def __init__(self, plain: IO[bytes], name: str) -> None:
        self._plain, self._name, self.last = plain, name, b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER:
            raise _too_large(self._name, "a header in it is larger than any honest one")
        self.last = self._plain.read(size)
        return self.last

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._plain.seek(offset, whence)

    def tell(self) -> int:
        return self._plain.tell()


def _decompressed(archive: Path, magic: bytes) -> IO[bytes]:
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(archive))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(archive))
    if magic.startswith(b"\xfd7zXZ\0"):
        return cast(IO[bytes], lzma.open(archive))
    return archive.open("rb")


@contextmanager
def _named_damage(name: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as exc:
        raise _bad(name, f"{exc}" or type(exc).__name__, "see with tar tf or unzip -t whether it is whole") from exc
    except (NotImplementedError, UnicodeDecodeError, FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
        raise _bad(name, f"{exc}", "pack it again with tar or zip") from exc


def _bad(name: str, why: str, hint: str) -> FetchFailed:
    return FetchFailed(f"{name} can't be unpacked: {why}", hint=hint, details=[{"code": "bad-archive", "message": why}])


def _unsafe(name: str, member: str, why: str) -> FetchFailed:
    return FetchFailed(
        f"{name} is refused, nothing of it was kept: {member[:200]!r} is {why}",
        hint="pack it again with plain files and relative paths only",
        details=[{"code": "unsafe-archive", "message": why, "path": member[:200]}],
    )


def _too_large(name: str, why: str) -> FetchFailed:
    return FetchFailed(
        f"{name} is refused, nothing of it was kept: {why}",
        hint="unpack it yourself and name the folder",
        details=[{"code": "too-large", "message": why}],
    )
