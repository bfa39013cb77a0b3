"""The files of instances on one engine: volumes, filled before a container starts, removed when nobody needs them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserve.backends.aside import aside
from mlserve.backends.base import Changes, FileState
from mlserve.backends.docker import changes, labels, tar_stream, volume_files, volume_plan
from mlserve.backends.docker.containers import NOBODY
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.volume_plan import Volume
from mlserve.errors import FetchFailed
from mlserve.workload import TOLD, Mount, MountKind, Workload

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True)
class Brought:
    """What the containers of an instance are created with."""

    mounts: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Volumes:
    """All volumes of one hub on one engine."""

    def __init__(self, engine: Engine, hub: str) -> None:
        self._engine, self._hub = engine, hub
        self._filling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._coming: set[str] = set()
        """Instances whose container may not be there yet."""

    async def bring(self, workload: Workload, instance: str) -> Brought:
        """Have everything there that an instance mounts; what is there already stays as it is.

        Raises FetchFailed, InvalidInput, NoCapacity (the engine's disk is full), ResourceUnavailable.
        """
        self._coming.add(instance)
        mounts = [await self._mount(workload, instance, mount) for mount in workload.mounts]
        if workload.told:
            mounts.append(await self._told(workload, instance))
        if not workload.secrets:
            return Brought(tuple(mounts))
        volume = volume_plan.own(self._hub, workload, instance, volume_plan.SECRETS)
        owner = tar_stream.owner_of(workload.user or NOBODY, alone=True)
        await self._fill(volume, workload, lambda: tar_stream.of_texts(workload.secrets, owner))
        secrets = volume_plan.mounted(volume, volume_plan.SECRETS, read_only=True)
        return Brought((*mounts, secrets), {"MLSERVE_SECRETS": volume_plan.SECRETS})

    async def drop(self, instance: str) -> None:
        """An instance is gone, its containers too: what was its own goes."""
        self._coming.discard(instance)
        marks = {labels.HUB: self._hub, labels.INSTANCE: instance}
        await self._engine.call(lambda client: volume_files.remove(client, volume_files.labelled(client, marks)))

    async def changes(
        self, workload: Workload, mount: Mount, known: Mapping[str, FileState] | None, into: Path, *, final: bool
    ) -> Changes:
        """What instances of a version have changed below a mount; see `FileBackend.changes`."""
        volume = volume_plan.written(self._hub, workload, mount)
        if known is None:
            known = await aside(lambda: changes.first_seen(Path(mount.source)))
        look, image = changes.Look(known, into, final), workload.image or ""
        async with self._filling[volume.name]:
            if not await self._engine.call(lambda client: volume_files.is_full(client, volume)):
                return Changes(known, ())  # it never started
            return await self._engine.call(lambda client: changes.collect(client, volume, image, look), seconds=None)

    async def sweep(self, kept: Sequence[Workload] | None, instances: Collection[str]) -> None:
        """Remove what neither these workloads nor any instance needs; never what is not this hub's.

        ``kept`` None: nothing is known of versions, only of ``instances``, those that are to start again included.
        """

        def sweep(client: DockerClient) -> None:
            marks = labels.of_hub(self._hub)
            volume_files.clear(client, marks, self._at_work)
            filters = {"label": [f"{key}={value}" for key, value in marks.items()]}
            containers = client.api.containers(all=True, filters=filters)
            there = {one["Labels"][labels.INSTANCE] for one in containers if labels.INSTANCE in one["Labels"]}
            found = volume_files.labelled(client, marks)
            volume_files.remove(client, volume_plan.unused(found, kept, {*there, *instances, *self._coming}))

        await self._engine.call(sweep, seconds=120)

    def _at_work(self, volume: str) -> bool:
        lock = self._filling.get(volume)
        return lock is not None and lock.locked()

    async def _mount(self, workload: Workload, instance: str, mount: Mount) -> Mapping[str, Any]:
        match mount.kind:
            case MountKind.FILES:
                volume = await self._files(workload, mount)
            case MountKind.IMAGE:
                volume = await self._image(mount)
            case MountKind.NFS:
                volume = volume_plan.nfs(self._hub, mount)
                await self._made(volume)
            case MountKind.SCRATCH:
                volume = volume_plan.own(self._hub, workload, instance, mount.path)
                owner = tar_stream.owner_of(workload.user or NOBODY, may_write=True)
                await self._fill(volume, workload, lambda: tar_stream.of_texts({}, owner))
            case MountKind.MEMORY if not workload.containers:
                return volume_plan.in_memory(mount)
            case MountKind.MEMORY:
                options = volume_plan.memory(mount)
                volume = volume_plan.own(self._hub, workload, instance, mount.path, options)
                await self._made(volume)
            case MountKind.HOST:
                return volume_plan.bound(mount)
        return volume_plan.mounted(volume, mount.path, read_only=mount.read_only)

    async def _told(self, workload: Workload, instance: str) -> Mapping[str, Any]:
        """What it is told, as it is now; `Telling` brings it what changes, for which it can't be read-only."""
        volume = volume_plan.own(self._hub, workload, instance, TOLD)
        owner = tar_stream.owner_of(workload.user or NOBODY, alone=True)

        def fill(client: DockerClient) -> None:
            content = tar_stream.of_texts({name: _read(workload, file) for name, file in workload.told.items()}, owner)
            volume_files.fill(client, volume, workload.image or "", content)

        async with self._filling[volume.name]:
            await self._engine.call(fill, seconds=None)  # also where it is full: of an earlier start
        return volume_plan.mounted(volume, TOLD, read_only=False)

    async def _files(self, workload: Workload, mount: Mount) -> Volume:
        source = Path(mount.source)
        found = await aside(lambda: tar_stream.look(source))
        if volume_plan.is_written(mount):
            volume = volume_plan.written(self._hub, workload, mount)
            owner = tar_stream.owner_of(workload.user or NOBODY, may_write=True)
        else:
            volume = volume_plan.shared(self._hub, mount.source, tar_stream.fingerprint(source, found))
            owner = tar_stream.Owner()
        await self._fill(volume, workload, lambda: tar_stream.of_files(found, owner))
        return volume

    async def _image(self, mount: Mount) -> Volume:
        image, _, path = mount.source.partition("!")
        image_id = await self._engine.call(lambda client: str(client.images.get(image).id))
        volume = volume_plan.image(self._hub, mount, image_id)
        await self._once(volume, lambda client: volume_files.copy(client, volume, image, path))
        return volume

    async def _fill(self, volume: Volume, workload: Workload, content: Callable[[], Iterable[bytes]]) -> None:
        image = workload.image or ""
        await self._once(volume, lambda client: volume_files.fill(client, volume, image, content()))

    async def _once(self, volume: Volume, work: Callable[[DockerClient], None]) -> None:
        """Fill a volume unless it is full; those who want the same one meanwhile wait for it."""
        async with self._filling[volume.name]:
            if not await self._engine.call(lambda client: volume_files.is_full(client, volume)):
                await self._engine.call(work, seconds=None)

    async def _made(self, volume: Volume) -> None:
        await self._engine.call(lambda client: volume_files.make(client, volume))


def _read(workload: Workload, file: str) -> str:
    try:
        return Path(file).read_text()
    except OSError as exc:
        message = f"what instances of {workload.service} are told can't be read: {exc.strerror}"
        raise FetchFailed(message, hint=f"see that the hub may read and write {file}") from exc
