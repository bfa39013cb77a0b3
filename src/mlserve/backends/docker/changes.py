"""Which files the instances of a version have changed, copied out of the volume that they share."""

from __future__ import annotations

import hashlib
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from mlserve.backends.base import Changes, FileState
from mlserve.backends.docker import tar_stream, volume_files
from mlserve.backends.docker.tar_stream import ROOT
from mlserve.backends.docker.volume_plan import Volume

if TYPE_CHECKING:
    from docker import DockerClient

SETTLED_SECONDS = 2.0
"""A file that was written to more recently may not be whole yet. Engines tell times in whole seconds."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of the files so far, and where changed ones go."""

    known: Mapping[str, FileState]
    into: Path
    final: bool = False
    """Nobody writes any more: what has changed just now is whole."""


def first_seen(source: Path) -> dict[str, FileState]:
    """The files as they were brought to the instances."""
    return {one.name: FileState(one.size, one.mtime) for one in tar_stream.look(source)}


def collect(client: DockerClient, volume: Volume, image: str, look: Look) -> Changes:
    """Copy what is new or other than known into a folder here; nothing is said of what was removed."""
    seen: dict[str, FileState] = {}
    changed: list[str] = []
    now = time.time()
    with volume_files.opened(client, volume, image) as archive:
        for member in archive:
            name = member.name.removeprefix(f"{ROOT}/")
            if not member.isfile():
                continue  # links too: a bucket has none
            before = look.known.get(name)
            if not look.final and 0 <= now - member.mtime < SETTLED_SECONDS:
                if before:
                    seen[name] = before
                continue
            seen[name] = state = _state(archive, member, before, look.into / name, now)
            if before is None or state.digest != before.digest:
                changed.append(name)
    return Changes(seen, tuple(changed))


def _state(
    archive: tarfile.TarFile, member: tarfile.TarInfo, before: FileState | None, to: Path, now: float
) -> FileState:
    """What a file is now, copied where that is not what it was."""
    mtime = int(member.mtime)
    if before and (before.size, before.mtime) == (member.size, mtime) and not before.recent:
        return before
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = _copied(cast("IO[bytes]", archive.extractfile(member)), to)
    if before and before.digest == digest:
        to.unlink()
    return FileState(member.size, mtime, digest, recent=now - mtime < SETTLED_SECONDS)


def _copied(content: IO[bytes], to: Path) -> str:
    digest = hashlib.sha256()
    with to.open("wb") as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
