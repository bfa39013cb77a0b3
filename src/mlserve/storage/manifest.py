"""What a file or folder consists of: its files with sizes and checksums, and the digest that names them all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.storage.names import unsafe

NEVER_SERVED = frozenset({".git", "__pycache__", ".ipynb_checkpoints", ".DS_Store"})
"""Left out of a folder, as is a virtual environment: they belong to the workplace, not to what is served."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file of a tree."""

    path: str
    sha256: str
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One file on this disk that will become an entry; symbolic links are already resolved."""

    path: str
    file: Path
    size: int
    executable: bool


def digest(entries: Iterable[Entry]) -> str:
    """``sha256:<hex>`` of the canonical manifest."""
    return f"sha256:{hashlib.sha256(canonical(entries)).hexdigest()}"


def canonical(entries: Iterable[Entry]) -> bytes:
    """The one way to write a manifest down: sorted by path, no spaces, keys sorted."""
    return json.dumps([asdict(entry) for entry in sorted(entries)], separators=(",", ":"), sort_keys=True).encode()


def parse(manifest: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The entries of a manifest that someone sent; refuses names that leave the tree, doubles and wrong types."""
    entries = [_entry(item) for item in manifest]
    seen: set[str] = set()
    for entry in sorted(entries):
        if entry.path in seen or any(parent in seen for parent in _parents(entry.path)):
            raise InvalidInput(f'the manifest names "{entry.path}" twice, or as a file and as a folder')
        seen.add(entry.path)
    if not entries:
        raise InvalidInput("the manifest names no file")
    return entries


def scan(path: Path) -> list[Source]:
    """The files below ``path`` (or that one file), links resolved; raises InvalidInput naming what can't be taken."""
    path = path.absolute()
    if path.is_symlink() and not path.exists():
        raise InvalidInput(f"{path} is a link to {os.readlink(path)}, which does not exist")
    if not path.exists():
        raise InvalidInput(f"no such file or directory: {path}", hint="paths are relative to the descriptor")
    if not path.is_dir():
        return [_source(path.name, path.resolve())]
    root = path.resolve()
    sources = sorted(_walk(root, root, "", ()), key=lambda source: source.path)
    if not sources:
        raise InvalidInput(f"the directory {path} has no file in it")
    return sources


def open_regular(file: Path) -> BufferedReader:
    """Open for reading; never blocks on a pipe that took the place of a file."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidInput(f"{file} is not a regular file")
    return os.fdopen(fd, "rb")


def _entry(item: Mapping[str, Any]) -> Entry:
    path, sha, size, executable = (item.get(key) for key in ("path", "sha256", "size", "executable"))
    if (
        not isinstance(path, str)
        or not isinstance(executable, bool)
        or isinstance(size, bool)
        or not isinstance(size, int)
    ):
        raise InvalidInput(f"not a manifest entry: {dict(item)!r}"[:300])
    if why := unsafe(path) or ("a path with empty parts" if {"", "."} & set(path.split("/")) else ""):
        raise InvalidInput(f"the manifest holds {why}: {path!r}"[:300])
    if size < 0:
        raise InvalidInput(f'"{path}": size {size}')
    return Entry(path, checked_sha(sha), size, executable)


def checked_sha(sha: object) -> str:
    """The text if it is a sha256 in lower-case hex; it becomes a file name, so nothing else may pass."""
    if not isinstance(sha, str) or len(sha) != 64 or not set(sha) <= set("0123456789abcdef"):
        raise InvalidInput(f"not a sha256: {sha!r}"[:100])
    return sha


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def _walk(root: Path, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[Source]:
    if folder in above:
        raise InvalidInput(f"{root / prefix} is a link to a folder that contains it")
    items = _listed(folder)
    if prefix and any(item.name == "pyvenv.cfg" for item in items):
        return
    for item in items:
        target = _inside(root, item)
        name = f"{prefix}{item.name}"
        if target.is_dir():
            yield from _walk(root, target, f"{name}/", (*above, folder))
        else:
            yield _source(name, target)


def _listed(folder: Path) -> list[Path]:
    try:
        return [item for item in folder.iterdir() if item.name not in NEVER_SERVED]
    except PermissionError as exc:
        raise InvalidInput(f"{folder} can't be listed: {exc.strerror}", hint=f"chmod u+rx '{folder}'") from exc


def _inside(root: Path, item: Path) -> Path:
    if not item.is_symlink():
        return item
    try:
        target = item.resolve(strict=True)
    except (OSError, RuntimeError) as exc:
        raise InvalidInput(f"{item} is a link to {os.readlink(item)}, which leads nowhere") from exc
    if not target.is_relative_to(root):
        raise InvalidInput(
            f"{item} is a link to {target}, outside of {root}",
            hint="put the file itself there (cp -L), or name the target in the descriptor",
        )
    return target


def _source(name: str, file: Path) -> Source:
    if why := unsafe(name):
        raise InvalidInput(f"{str(file)!r} has {why}")
    mode = file.lstat()
    if not stat.S_ISREG(mode.st_mode):
        raise InvalidInput(f"{file} is {_kind(mode.st_mode)}, not a regular file", hint="take it out of the folder")
    if not os.access(file, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise InvalidInput(f"{file} can't be read: permission denied", hint=f"chmod u+r '{file}'")
    return Source(name, file, mode.st_size, bool(mode.st_mode & stat.S_IXUSR))


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return kinds.get(stat.S_IFMT(mode), "something else")
