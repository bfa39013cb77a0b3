"""Take the local files of a descriptor into the hub's content store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mlserve.errors import InvalidDescriptor, InvalidInput
from mlserve.management import Management

if TYPE_CHECKING:
    from mlserve.storage.manifest import Entry, Source

CHUNK = 8 * 1024 * 1024

Uploaded = Callable[[int, int], None]
"""Called with bytes sent and bytes in all; a hub on this machine reads the files itself, then it is never called."""


def take_in(
    management: Management, paths: Mapping[str, str], base: Path, on_upload: Uploaded | None = None
) -> dict[str, dict[str, str]]:
    """The content address of each local path, by its descriptor pointer; uploads only what the hub lacks."""
    files = {pointer: _existing(pointer, text, base) for pointer, text in paths.items()}
    known: dict[Path, dict[str, str]] = {}
    for path in files.values():
        if path not in known:
            known[path] = {key: str(value) for key, value in send(management, path, on_upload).items() if key != "size"}
    return {pointer: known[path] for pointer, path in files.items()}


def send(management: Management, path: Path, on_upload: Uploaded | None = None) -> Mapping[str, str | int]:
    """Digest, name and size of a file or folder that is in the hub's store now; sends only what the hub lacks."""
    if management.address.local:
        return management.post("/v1/content/local", {"path": str(path)}, timeout=3600.0)
    sources = _entries(path)
    _upload(management, {entry.sha256: (entry, source) for entry, source in sources}, on_upload)
    manifest = [asdict(entry) for entry, _ in sources]
    return management.post("/v1/content/trees", {"manifest": manifest, "name": path.name})


def _existing(pointer: str, text: str, base: Path) -> Path:
    path = Path(os.path.abspath(base / os.path.expanduser(text)))
    if path.exists():
        return path
    message = f"{pointer} names {text}, and there is no {path}"
    detail = {"pointer": pointer, "code": "not-found", "message": message}
    raise InvalidDescriptor(message, hint="paths are relative to the descriptor's file", details=[detail])


def _entries(path: Path) -> list[tuple[Entry, Source]]:
    """The files that a hub on this machine would take in, by the same rules."""
    from mlserve.storage.manifest import Entry, scan  # only an upload pays for its import

    return [(Entry(one.path, _sha256(one.file), one.size, one.executable), one) for one in scan(path)]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InvalidInput(f"{path} can't be read: {exc.strerror}", hint="check its permissions") from exc


def _upload(management: Management, by_hash: dict[str, tuple[Entry, Source]], on_upload: Uploaded | None) -> None:
    missing = management.post("/v1/content/missing", {"sha256": list(by_hash)})["missing"]
    total = sum(by_hash[item["sha256"]][0].size for item in missing)
    sent = sum(int(item["received"]) for item in missing)
    for item in missing:
        for count in _send(management, *by_hash[item["sha256"]], int(item["received"])):
            sent += count
            if on_upload:
                on_upload(sent, total)


def _send(management: Management, entry: Entry, source: Source, offset: int) -> Iterator[int]:
    with source.file.open("rb") as file:
        file.seek(offset)
        while True:
            data = file.read(CHUNK)
            management.put(f"/v1/content/blobs/{entry.sha256}", data, offset=offset, size=entry.size)
            offset += len(data)
            yield len(data)
            if offset >= entry.size or not data:
                return
