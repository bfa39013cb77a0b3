"""Which volume a mount is, what it is called and labelled, and how a container asks for it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlserve.backends.docker import labels
from mlserve.workload import Mount, MountKind, Workload

KIND = "mlserve.volume"
SOURCE = "mlserve.source"
CARRIER = "mlserve.carrier"
"""On a container that is never started: the name of the volume that is being filled through it."""
READER = "mlserve.reader"
"""The same for one that is looked into, and which is full."""
SECRETS = "/run/secrets/mlserve"


class Kind(StrEnum):
    """What a volume is there for, and so how long."""

    SHARED = "shared"
    """Files that nobody changes: for all instances that want the same."""
    WRITTEN = "written"
    """Files that a version's instances change, and that are copied back."""
    OWN = "own"
    """One instance's: scratch space, secrets."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume that has to be there."""

    name: str
    labels: Mapping[str, str]
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the engine's own driver: what to mount there."""


def shared(hub: str, source: str, fingerprint: str) -> Volume:
    """Of files that are what their fingerprint says."""
    marks = {**labels.of_hub(hub), KIND: Kind.SHARED, SOURCE: source}
    return Volume(f"{_prefix(hub)}-files-{fingerprint[:24]}", marks)


def written(hub: str, workload: Workload, mount: Mount) -> Volume:
    """Of files that the instances of a version change, all of them the same ones."""
    marks = {**labels.of_hub(hub), labels.SERVICE: workload.service, labels.VERSION: str(workload.version)}
    name = f"{_prefix(hub)}-{workload.service}-{workload.version}-{_digest(mount.path, mount.source)}"
    return Volume(name, {**marks, KIND: Kind.WRITTEN, SOURCE: mount.source})


def own(hub: str, workload: Workload, instance: str, purpose: str, options: Mapping[str, str] | None = None) -> Volume:
    """Of one instance alone. ``purpose``: where it is mounted."""
    marks = labels.of_instance(hub, workload.service, workload.version, instance)
    name = f"{_prefix(hub)}-{instance}-{_digest(purpose)}"
    return Volume(name, {**marks, KIND: Kind.OWN}, options or {})


def nfs(hub: str, mount: Mount) -> Volume:
    """Of a folder that the engine's machine mounts from a server."""
    if mount.source.startswith("["):
        server, _, path = mount.source[1:].partition("]:")
    else:
        server, _, path = mount.source.partition(":")
    options = {"type": "nfs", "o": f"addr={server},{'ro' if mount.read_only else 'rw'}", "device": f":{path}"}
    volume = shared(hub, mount.source, _digest("nfs", mount.source, str(mount.read_only)))
    return Volume(volume.name, volume.labels, options)


def image(hub: str, mount: Mount, image_id: str) -> Volume:
    """Of a folder of an image; another one once the image is another."""
    return shared(hub, mount.source, _digest("image", image_id, mount.source))


def memory(mount: Mount) -> dict[str, str]:
    """Options of a volume in memory, for containers that share it."""
    size = f"size={mount.size_mb}m," if mount.size_mb else ""
    return {"type": "tmpfs", "device": "tmpfs", "o": f"{size}mode=1777,nosuid,nodev"}


def mounted(volume: Volume, path: str, *, read_only: bool) -> dict[str, Any]:
    """How a container asks for a volume."""
    options = {"NoCopy": True}
    return {"Type": "volume", "Source": volume.name, "Target": path, "ReadOnly": read_only, "VolumeOptions": options}


def in_memory(mount: Mount) -> dict[str, Any]:
    """How a container asks for memory of its own."""
    options: dict[str, Any] = {"Mode": 0o1777}
    if mount.size_mb:
        options["SizeBytes"] = mount.size_mb << 20
    return {"Type": "tmpfs", "Target": mount.path, "TmpfsOptions": options}


def bound(mount: Mount) -> dict[str, Any]:
    """How a container asks for a folder of its machine."""
    return {"Type": "bind", "Source": mount.source, "Target": mount.path, "ReadOnly": mount.read_only}


def carrier(volume: Volume, image: str, path: str, mark: str = CARRIER, *, copies: bool = False) -> dict[str, Any]:
    """A container that is never started, to reach a volume through; the engine makes the volume with it.

    ``mark``: what for. ``copies``: into a new volume the engine copies what the image has at that path.
    """
    options = {"NoCopy": not copies, "Labels": dict(volume.labels)}
    return {
        "Image": image,
        "Entrypoint": ["-"],
        "Labels": {labels.HUB: volume.labels[labels.HUB], mark: volume.name},
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [{"Type": "volume", "Source": volume.name, "Target": path, "VolumeOptions": options}],
        },
    }


def is_written(mount: Mount) -> bool:
    """Whether the program may change the files."""
    return mount.kind is MountKind.FILES and not mount.read_only


def unused(
    found: Mapping[str, Mapping[str, str]], kept: Sequence[Workload] | None, instances: Collection[str]
) -> list[str]:
    """The volumes (name → labels) that neither a workload nor an instance needs; ``kept`` None: of instances alone."""
    sources = {mount.source for workload in kept or () for mount in workload.mounts}
    versions = {(workload.service, str(workload.version)) for workload in kept or ()}

    def needed(marks: Mapping[str, str]) -> bool:
        if marks[KIND] == Kind.OWN:
            return marks[labels.INSTANCE] in instances
        if marks[KIND] == Kind.WRITTEN:
            return kept is None or (marks[labels.SERVICE], marks[labels.VERSION]) in versions
        return kept is None or marks.get(SOURCE) in sources

    return [name for name, marks in found.items() if KIND in marks and not needed(marks)]


def _prefix(hub: str) -> str:
    return f"mlserve-{hub[:8]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
