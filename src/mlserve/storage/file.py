"""``file://``: a path on the hub's own machine, used in place; only an archive is unpacked."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlserve.errors import FetchFailed
from mlserve.storage.archives import is_archive, unpack
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.fingerprint import fingerprint

SCHEMES = ("file",)


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """The path itself, never a copy (large models, NFS)."""
    path = _path(uri)
    if not path.exists():
        raise FetchFailed(
            f"{path} does not exist on the hub's machine",
            hint="file:// names a path where the hub runs; leave it out to send a file from here",
            details=[{"code": "missing", "path": str(path)}],
        )
    if not os.access(path, os.R_OK):
        raise FetchFailed(
            f"{path} can't be read: permission denied",
            hint=f"chmod u+r '{path}'",
            details=[{"code": "denied", "path": str(path)}],
        )
    if path.is_file() and is_archive(path.name):
        unpack(path, dest, options.limits)
        return dest
    return path


def mark(uri: str, options: FetchOptions) -> str:
    """What the files are now; those of a large model by size and time."""
    return fingerprint(_path(uri))


def _path(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise FetchFailed(
            f"{uri} names no absolute path",
            hint="write file:///home/me/model.onnx, with three slashes",
            details=[{"code": "invalid"}],
        )
    return Path(unquote(parts.path))
