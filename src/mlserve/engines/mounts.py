"""What a descriptor's ``storage`` puts into each instance, whatever its engine. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlserve.descriptor import Descriptor
from mlserve.descriptor.mounting import last_of_each, sources_of
from mlserve.descriptor.storage import SHARED_MEMORY, EmptyDir, Storage
from mlserve.workload import Mount, MountKind, Workload

_MB_PER_GB = 1024


def mounts(descriptor: Descriptor, paths: Mapping[str, str]) -> tuple[Mount, ...]:
    """The mounts of one instance; ``paths``: JSON pointer → where the fetched files are on the hub's machine."""
    found = tuple(_mount(descriptor, index, entry, paths) for index, entry in last_of_each(descriptor))
    size = round((descriptor.metadata.shm_size or 0) * _MB_PER_GB)
    if not size or any(mount.path == SHARED_MEMORY for mount in found):
        return found
    return (*found, Mount(SHARED_MEMORY, MountKind.MEMORY, read_only=False, size_mb=size))


def with_mounts(workload: Workload, found: Sequence[Mount]) -> Workload:
    """A workload with more mounts, which cover its own at the same places."""
    places = {mount.path for mount in found}
    return replace(workload, mounts=(*(mount for mount in workload.mounts if mount.path not in places), *found))


def _mount(descriptor: Descriptor, index: int, entry: Storage, paths: Mapping[str, str]) -> Mount:
    if entry.nfs:
        exported = f"{entry.nfs.server}:{entry.nfs.path}"
        return Mount(entry.mount_path, MountKind.NFS, exported, read_only=entry.nfs.read_only)
    if entry.image:
        return Mount(entry.mount_path, MountKind.IMAGE, f"{entry.image.image}!{entry.image.path}")
    if entry.empty_dir:
        return _empty(entry.mount_path, entry.empty_dir)
    if bucket := entry.oss or entry.s3:
        pointer = f"/storage/{index}/{'oss' if entry.oss else 's3'}/path"
        source = sources_of(descriptor)[pointer]
        if bucket.read_only:
            return Mount(entry.mount_path, MountKind.FILES, paths[pointer])
        return Mount(
            entry.mount_path, MountKind.FILES, paths[pointer], read_only=False,
            write_back=source.uri, endpoint=source.endpoint or "",
        )  # fmt: skip
    return Mount(entry.mount_path, MountKind.FILES, paths[f"/storage/{index}/git/repo"])


def _empty(path: str, wished: EmptyDir) -> Mount:
    if wished.medium == "memory":
        size = round((wished.size_limit or 0) * _MB_PER_GB)
        return Mount(path, MountKind.MEMORY, read_only=False, size_mb=size)
    return Mount(path, MountKind.SCRATCH, read_only=False)
