"""Files by their sha256: copied in, or received in chunks. What has its final name is whole and on disk."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, BufferedReader
from pathlib import Path
from uuid import uuid4

from mlserve.errors import Conflict, InvalidInput
from mlserve.storage.disk import names_full_disk, require_space
from mlserve.storage.manifest import Entry, Source, checked_sha, open_regular
from mlserve.storage.placing import file_size, sync_folder

_CHUNK = 1 << 20
_FICLONE = 0x40049409


class Blobs:
    """``blobs/<sha256>``, read-only; ``incoming/`` holds what is not whole yet. For several processes at once."""

    def __init__(self, root: Path) -> None:
        self.folder, self.incoming = root / "blobs", root / "incoming"
        for folder in (self.folder, self.incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, sha: str) -> Path:
        """Where the blob is, or would be."""
        return self.folder / checked_sha(sha)

    def has(self, sha: str, size: int) -> bool:
        """Whether it is here with all its bytes; one that lost some counts as absent and is replaced."""
        return file_size(self.path(sha)) == size

    def received(self, sha: str) -> int:
        """How many bytes of an unfinished upload are here."""
        return file_size(self.incoming / checked_sha(sha)) or 0

    def drop_damaged(self, sha: str) -> None:
        """Forget a blob whose bytes are not what its name says, so that it can be sent again."""
        blob = self.path(sha)
        if blob.exists():
            with blob.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha:
                blob.unlink(missing_ok=True)

    def take_in(self, source: Source) -> Entry:
        """Copy one file in; the checksum is that of the copy, so a file that changes meanwhile does no harm."""
        with open_regular(source.file) as reading, self._temporary() as (name, copy):
            if not _cloned(reading, copy):
                sha = hashlib.file_digest(reading, "sha256").hexdigest()
                size = os.fstat(reading.fileno()).st_size
                if self.has(sha, size):
                    os.utime(self.path(sha))
                    return Entry(source.path, sha, size, source.executable)
                require_space(self.folder, size, f"a copy of {source.file}")
                reading.seek(0)
                _copy(reading, copy)
            copy.seek(0)
            sha, size = hashlib.file_digest(copy, "sha256").hexdigest(), os.fstat(copy.fileno()).st_size
            self._keep(copy, name, sha)
        return Entry(source.path, sha, size, source.executable)

    def adopt(self, source: Source) -> Entry:
        """Like `take_in` for a file that is ours to keep: it is linked instead of copied, where the disk can."""
        name = self.incoming / f"adopted-{uuid4().hex}"
        try:
            os.link(source.file, name)
        except OSError:
            return self.take_in(source)
        try:
            with name.open("rb") as file:
                sha, size = hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size
                if not self.has(sha, size):
                    self._keep(file, name, sha)
        finally:
            name.unlink(missing_ok=True)
        return Entry(source.path, sha, size, source.executable)

    def write(self, sha: str, offset: int, total: int, data: bytes) -> int:
        """Take one chunk of an upload; answers the bytes that are here, ``total`` once the blob is whole and checked.

        Sending a chunk again is harmless. Raises Conflict (with the offset to go on from) after a gap, InvalidInput
        when the whole does not have this sha256: it is dropped then.
        """
        if offset < 0 or offset + len(data) > total:
            raise InvalidInput(f"bytes {offset} to {offset + len(data)} are not within a blob of {total}")
        if self.has(sha, total):
            return total
        require_space(self.folder, total - self.received(sha), "an upload")
        with names_full_disk("an upload", self.folder), _locked(self.incoming / sha) as partial:
            received = os.fstat(partial.fileno()).st_size
            if offset > received:
                raise Conflict(
                    f"{received} bytes are here, but the chunk starts at {offset}",
                    hint=f"go on at {received}",
                    details=[{"code": "offset", "received": received}],
                )
            partial.seek(offset)
            partial.write(data)
            partial.flush()
            received = max(received, offset + len(data))
            if received >= total:
                self._finish(partial, sha, total)
            return received

    def _finish(self, partial: BufferedRandom, sha: str, total: int) -> None:
        partial.truncate(total)
        partial.seek(0)
        found = hashlib.file_digest(partial, "sha256").hexdigest()
        if found != sha:
            (self.incoming / sha).unlink()
            raise InvalidInput(f"the upload has sha256 {found}, not {sha}", hint="send it again from the start")
        self._keep(partial, self.incoming / sha, sha)

    def _keep(self, file: BufferedRandom | BufferedReader, name: Path, sha: str) -> None:
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
        os.replace(name, self.path(sha))
        sync_folder(self.folder)

    @contextmanager
    def _temporary(self) -> Iterator[tuple[Path, BufferedRandom]]:
        fd, name = tempfile.mkstemp(prefix="blob-", dir=self.incoming)
        try:
            with os.fdopen(fd, "w+b") as file:
                yield Path(name), file
        finally:
            Path(name).unlink(missing_ok=True)


def _cloned(reading: BufferedReader, copy: BufferedRandom) -> bool:
    """Let both share their bytes on disk (btrfs, XFS, …); False where the disk can't, or the files are on two disks."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(copy.fileno(), _FICLONE, reading.fileno())
    except OSError:
        return False
    return True


def _copy(reading: BufferedReader, copy: BufferedRandom) -> None:
    while data := reading.read(_CHUNK):
        copy.write(data)
    copy.flush()


@contextmanager
def _locked(path: Path) -> Iterator[BufferedRandom]:
    """The file, created when absent, for one writer at a time; freshly opened if it went away while we waited."""
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(path, file):
                yield file
                return


def _is_still(path: Path, file: BufferedRandom) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
