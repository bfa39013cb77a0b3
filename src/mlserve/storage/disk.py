"""A full disk: seen before it is full where the size is known, and named when it happens."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlserve.errors import InvalidInput, NoCapacity

_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?:(?P<unit>[KMGT])?(?P<binary>I)?B?)")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def require_space(folder: Path, wanted: int, what: str) -> None:
    """Raise NoCapacity when the disk below ``folder`` has less than ``wanted`` bytes free."""
    free = shutil.disk_usage(existing(folder)).free
    if wanted > free:
        raise _full(what, folder, f"it needs {size_text(wanted)}, {size_text(free)} are free")


@contextmanager
def names_full_disk(what: str, folder: Path) -> Iterator[None]:
    """Turn "no space left on device", a quota or a file-size limit into NoCapacity."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise _full(what, folder, exc.strerror or "no space left") from exc


def size_text(size: int) -> str:
    """A size for people: 512 B, 1.5 MB, 2.0 GB."""
    if size < 1000:
        return f"{size} B"
    power = min((len(f"{size}") - 1) // 3, 4)
    return f"{size / 1000**power:.1f} {('', 'kB', 'MB', 'GB', 'TB')[power]}"


def parse_size(text: str) -> int:
    """Bytes of ``20GB``, ``1.5 MB``, ``64MiB`` or ``1000``; raises InvalidInput."""
    found = _SIZE.fullmatch(text.strip().upper())
    if not found:
        raise InvalidInput(f"{text!r} is no size", hint="write 500MB, 20GB or a number of bytes")
    step = 1024 if found["binary"] else 1000
    return int(float(found["number"]) * step ** " KMGT".index(found["unit"] or " "))


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _full(what: str, folder: Path, why: str) -> NoCapacity:
    return NoCapacity(
        f"no room for {what} below {folder}: {why}",
        hint="free some disk space, or set MLSERVE_HOME to a directory on a larger disk",
        details=[{"code": "disk-full", "message": why, "path": str(folder)}],
    )
