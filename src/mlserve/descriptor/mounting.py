"""What the entries of ``storage`` must say, and which addresses they bring files from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from mlserve.descriptor.pointers import detail, pointer_of
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape
from mlserve.descriptor.storage import SHARED_MEMORY, Git, Storage
from mlserve.errors import Detail

SOURCES = ("oss", "s3", "nfs", "git", "image", "empty_dir")


@dataclass(frozen=True, slots=True)
class Source:
    """An address that the files of one entry are fetched from."""

    uri: str
    endpoint: str | None
    may_be_empty: bool
    """Nothing may be there yet: the program is to write to it."""


def mounting(descriptor: Descriptor, shaped: Shape, *, refused: bool) -> Iterator[Detail]:
    """Mistakes within the entries; ``refused``: some field was refused, and is not missed here."""
    for index, entry in enumerate(descriptor.storage):
        pointer = shaped.written.get(("storage", str(index))) or pointer_of(("storage", index))
        given = [name for name in SOURCES if getattr(entry, name) is not None]
        if not given and not refused:
            yield detail(pointer, "missing", f"storage.{index} names no source: {', '.join(SOURCES)}")
        if len(given) > 1:
            message = f"storage.{index} has {len(given)} sources ({', '.join(given)}): make an entry of each"
            yield detail(pointer, "conflict", message)
        in_memory = entry.empty_dir is not None and entry.empty_dir.medium == "memory"
        if entry.mount_path == SHARED_MEMORY and not in_memory:
            message = f"storage.{index}.mount_path: only an empty_dir with medium memory can be {SHARED_MEMORY}"
            yield detail(pointer, "invalid", message)
        if entry.empty_dir and entry.empty_dir.size_limit and not in_memory:
            message = f"storage.{index}.empty_dir.size_limit bounds a folder in memory: it needs medium memory"
            yield detail(pointer, "invalid", message)


def covered(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """A warning for each entry that a later one of the same mount_path covers."""
    for index, entry in enumerate(descriptor.storage):
        later = [number for number, other in last_of_each(descriptor) if other.mount_path == entry.mount_path]
        if later[0] != index:
            pointer = shaped.written.get(("storage", str(index))) or pointer_of(("storage", index))
            message = f"storage.{index} is not seen: storage.{later[0]} is mounted over it at {entry.mount_path}"
            yield detail(pointer, "covered", message)


def last_of_each(descriptor: Descriptor) -> list[tuple[int, Storage]]:
    """The entries that are seen, with their numbers: of those with one mount_path the last, as mounts do."""
    last = {entry.mount_path: index for index, entry in enumerate(descriptor.storage)}
    return [(index, descriptor.storage[index]) for index in sorted(last.values())]


def sources_of(descriptor: Descriptor) -> Mapping[str, Source]:
    """JSON pointer → address, of every entry whose files the hub fetches."""
    found: dict[str, Source] = {}
    for index, entry in last_of_each(descriptor):
        for name, bucket in (("oss", entry.oss), ("s3", entry.s3)):
            if bucket:
                uri = f"{bucket.path.rstrip('/')}/"
                endpoint = bucket.endpoint or descriptor.oss_endpoint
                found[pointer_of(("storage", index, name, "path"))] = Source(uri, endpoint, not bucket.read_only)
        if entry.git:
            found[pointer_of(("storage", index, "git", "repo"))] = Source(_git(entry.git), None, False)
    return found


def _git(source: Git) -> str:
    """The address with login and revision in it; what shows addresses leaves the login out."""
    rest = source.repo.removeprefix("https://").rstrip("/")
    login = ":".join(quote(part, safe="") for part in (source.username, source.password) if part)
    revision = source.commit or source.branch
    return f"git+https://{f'{login}@' if login else ''}{rest}{f'@{revision}' if revision else ''}"
