"""Put files and folders under their final names: whole and on disk, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path


def file_size(path: Path) -> int | None:
    """Bytes of the file; None where there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def leads_inside(item: Path, root: Path) -> bool:
    """Whether a path stays below ``root``, all links followed; one that leads in a circle does not."""
    try:
        return item.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # up to Python 3.12 a circle is a RuntimeError
        return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_in_place(built: Path, tree: Path) -> None:
    """Rename to the final name; what another process has just put there is as good."""
    try:
        os.rename(built, tree)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def write_synced(path: Path, data: bytes) -> None:
    """Write a file that survives a power cut."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def drop(item: Path) -> None:
    """Remove a file, a link or a whole folder; nothing there is no error."""
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item, ignore_errors=True)
    else:
        item.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
