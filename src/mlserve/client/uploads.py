"""Take the local files of a descriptor into the hub's content store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidDescriptor, MlserveError
from mlserve.management import Management

CHUNK = 8 * 1024 * 1024

Uploaded = Callable[[int, int], None]
"""Called with bytes sent and bytes in all; a hub on this machine reads the files itself, then it is never called."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree."""

    path: str
    source: Path
    sha256: str
    size: int
    executable: bool

    def manifest(self) -> dict[str, Any]:
        """Its entry in the canonical manifest, whose hash is the content's address."""
        return {"path": self.path, "sha256": self.sha256, "size": self.size, "executable": self.executable}


def take_in(
    management: Management, paths: Mapping[str, str], base: Path, on_upload: Uploaded | None = None
) -> dict[str, dict[str, str]]:
    """The content address of each local path, by its descriptor pointer; uploads only what the hub lacks."""
    files = {pointer: _existing(pointer, text, base) for pointer, text in paths.items()}
    known: dict[Path, dict[str, str]] = {}
    for path in files.values():
        if path not in known:
            known[path] = _take_in(management, path, on_upload)
    return {pointer: known[path] for pointer, path in files.items()}


def _existing(pointer: str, text: str, base: Path) -> Path:
    path = Path(os.path.abspath(base / os.path.expanduser(text)))
    if path.exists():
        return path
    message = f"{pointer} names {text}, and there is no {path}"
    detail = {"pointer": pointer, "code": "not-found", "message": message}
    raise InvalidDescriptor(message, hint="paths are relative to the descriptor's file", details=[detail])


def _take_in(management: Management, path: Path, on_upload: Uploaded | None) -> dict[str, str]:
    if management.address.local:
        answer = management.post("/v1/content/local", {"path": str(path)}, timeout=3600.0)
        return {"digest": str(answer["digest"]), "name": str(answer["name"])}
    entries = list(_entries(path))
    _upload(management, entries, on_upload)
    manifest = [entry.manifest() for entry in sorted(entries, key=lambda entry: entry.path)]
    answer = management.post("/v1/content/trees", {"manifest": manifest, "name": path.name})
    return {"digest": str(answer["digest"]), "name": path.name}


def digest(manifest: list[dict[str, Any]]) -> str:
    """The content address of a manifest that is sorted by path."""
    text = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _entries(path: Path) -> Iterator[Entry]:
    if path.is_file():
        yield _entry(path, path.name)
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            source = Path(folder, name)
            if source.is_file():
                yield _entry(source, source.relative_to(path).as_posix())


def _entry(source: Path, path: str) -> Entry:
    try:
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        stat = source.stat()
    except OSError as exc:
        raise MlserveError(f"{source} can't be read: {exc.strerror}", hint="check its permissions") from exc
    return Entry(path, source, sha256, stat.st_size, bool(stat.st_mode & 0o100))


def _upload(management: Management, entries: list[Entry], on_upload: Uploaded | None) -> None:
    by_hash = {entry.sha256: entry for entry in entries}
    missing = management.post("/v1/content/missing", {"sha256": list(by_hash)})["missing"]
    total = sum(by_hash[item["sha256"]].size for item in missing)
    sent = sum(int(item["received"]) for item in missing)
    for item in missing:
        for count in _send(management, by_hash[item["sha256"]], int(item["received"])):
            sent += count
            if on_upload:
                on_upload(sent, total)


def _send(management: Management, entry: Entry, offset: int) -> Iterator[int]:
    with entry.source.open("rb") as file:
        file.seek(offset)
        while True:
            data = file.read(CHUNK)
            management.put(f"/v1/content/blobs/{entry.sha256}", data, offset=offset, size=entry.size)
            offset += len(data)
            yield len(data)
            if offset >= entry.size or not data:
                return
