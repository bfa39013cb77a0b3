"""Instances as containers of a Docker engine. They outlive the hub; the next one adopts them by their labels."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlserve.backends import gpus, logs
from mlserve.backends.base import Capacity, Changes, FileState, Instance, LogLine, Say, State, Workload
from mlserve.backends.capacity import reserved, spare
from mlserve.backends.docker import container_calls, labels
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.image_store import ImageStore
from mlserve.backends.docker.journal import Journal
from mlserve.backends.docker.machine import EngineMachine
from mlserve.backends.docker.making import Site
from mlserve.backends.docker.runner import Containers
from mlserve.backends.docker.telling import Telling
from mlserve.backends.docker.volumes import Volumes
from mlserve.backends.gpus import taken
from mlserve.backends.keeping import KeepingBackend
from mlserve.backends.readiness import Patience
from mlserve.backends.records import Record
from mlserve.backends.supervisor import Supervisor
from mlserve.errors import InvalidDescriptor, MlserveError
from mlserve.images.recipe import Image, Recipe
from mlserve.workload import Mount

log = logging.getLogger(__name__)

TIDY_SECONDS = 5.0
"""Until the next try to clear up, where an engine does not let us."""


class DockerBackend(KeepingBackend):
    """A backend on one engine; its notes are under ``home/instances``. Made inside a running event loop."""

    def __init__(
        self, home: Path, options: Mapping[str, str], engine: Engine, hub: str, *, patience: Patience | None = None
    ) -> None:
        self.engine, self.hub, self.options = engine, hub, options
        self._volumes = Volumes(engine, hub)
        self._containers = Containers(Site(engine, hub, self._volumes))
        supervisor = Supervisor(home, self._containers)
        self._machine = EngineMachine(engine, hub, options)
        super().__init__(supervisor, patience or Patience())
        self._journal = Journal(engine, supervisor)
        watching = self._containers.watch(self._stray, supervisor.noticed)
        self._watching = asyncio.create_task(watching, name=f"watch {engine.target}")
        self._clearing: set[asyncio.Task[None]] = set()
        self._images, self._telling = ImageStore(engine, hub), Telling(engine)
        tidying = asyncio.create_task(self._tidy(), name=f"tidy {engine.target}")
        self._clearing.add(tidying)
        tidying.add_done_callback(self._clearing.discard)

    @property
    def trouble(self) -> str:
        """Why the engine can't be asked now; empty when all is well."""
        return self.engine.trouble or self._containers.trouble

    @property
    def about(self) -> Mapping[str, Any]:
        """What the engine says of itself."""
        return self._machine.about

    def refuse_unsupported(self, workload: Workload) -> None:
        """Raise InvalidDescriptor for what no container can be."""
        if not workload.image:
            message = "a container needs an image, and this names none"
            problem = {"pointer": "/containers", "code": "invalid", "message": message}
            raise InvalidDescriptor(
                f'service "{workload.service}": {message}', hint="give containers[0].image", details=[problem]
            )

    async def pull(self, image: str, auth: str, say: Say) -> str:
        """Have an image there."""
        return await self._images.pull(image, auth, say)

    async def identify(self, image: str) -> str:
        """The id of an image that is there."""
        return await self._images.identify(image)

    async def build(self, recipe: Recipe, say: Say, *, fresh: bool = False) -> Image:
        """Have an image of ours there."""
        return await self._images.build(recipe, say, fresh=fresh)

    async def push(self, image: str, auth: str, say: Say) -> str:
        """Send an image to its registry."""
        return await self._images.push(image, auth, say)

    async def remove(self, service: str, version: int | None = None) -> None:
        """Stop it now; without a version nothing is kept, logs and images of ours included."""
        await super().remove(service, version)
        if version is None:
            self._images.forget(service)

    def logs(
        self,
        service: str,
        *,
        instance: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        previous: bool = False,
    ) -> AsyncIterator[LogLine]:
        """Lines in time order, from the engine and from what is kept of containers that are gone."""
        return self._journal.lines(service, instance, logs.Wanted(tail, since, previous), follow=follow)

    async def capacity(self) -> Capacity:
        """Total and free CPU, memory and GPUs of the engine's machine."""
        machine, records = await self._machine.look(), self._supervisor.all()
        self._containers.gpus = machine.gpus
        room = spare(machine, reserved(records), taken(records))
        if self._machine.gpus.told:
            return room
        return replace(room, gpus=None, gpus_free=None, gpu_memory_gb=None, gpu_memory_free_gb=None)

    async def _fitted(self, workload: Workload) -> Workload:
        if gpus.wants(workload.resources):
            await self._machine.try_gpus(workload.image or "")
        return await super()._fitted(workload)

    async def remembered(self) -> Sequence[Workload]:
        """What runs there as this hub's, by the labels alone: for a hub that has lost its store."""
        wanted = {**labels.of_hub(self.hub), labels.PART: "0"}
        running = [one for one in await container_calls.find(self.engine, wanted) if one["State"] == "running"]
        texts = Counter(one["Labels"].get(labels.WORKLOAD, "") for one in running)
        return [workload for text, count in texts.items() if (workload := _read(text, count))]

    async def changes(
        self, workload: Workload, mount: Mount, known: Mapping[str, FileState] | None, into: Path, *, final: bool
    ) -> Changes:
        """Copy into a folder here what instances of a version have changed below a mount that is written back."""
        return await self._volumes.changes(workload, mount, known, into, final=final)

    async def tell(self, texts: Sequence[tuple[Instance, Mapping[str, str]]]) -> None:
        """Have instances that run know who may ask them, and whom they may ask."""
        await self._telling.tell(texts)

    async def sweep(self, kept: Sequence[Workload]) -> None:
        """Remove the volumes that none of these versions and no instance needs."""
        await self._volumes.sweep(kept, self._expected)

    @property
    def _expected(self) -> set[str]:
        """Instances that run, or may start once more."""
        return {record.id for record in self._supervisor.all() if record.state is not State.STOPPED}

    async def _tidy(self) -> None:
        """Once the engine answers: remove what was left of instances and builds when an earlier hub died."""
        while True:
            try:
                await self._reach()
                await self._volumes.sweep(None, self._expected)
                await self._images.clear()
            except (MlserveError, TimeoutError) as exc:
                log.info("volumes and images can't be looked at: %s", exc)
                await asyncio.sleep(TIDY_SECONDS)
            else:
                return

    async def close(self, *, for_good: bool = False) -> None:
        """Let go of everything; what runs goes on."""
        tasks = [self._watching, *self._clearing]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._images.close()
        await super().close(for_good=for_good)
        await (self.engine.discard() if for_good else self.engine.close())

    async def _reach(self) -> None:
        await self._containers.reach()

    def _stray(self, instance: str, listed: Sequence[Mapping[str, Any]]) -> None:
        """Containers without a run: taken up where the note of them was lost, else left over by a hub that died."""
        parts = {one["Labels"].get(labels.PART): one for one in listed}
        main = parts.get("0")
        workload = _read(main["Labels"].get(labels.WORKLOAD, ""), 1) if main else None
        running = len(parts) == 1 + len(workload.containers) if workload else False
        running = running and all(one["State"] == "running" for one in listed)
        if workload and running and self._supervisor.get(instance) is None:
            log.info("instance=%s is not noted here, and runs: taken up", instance)
            self._supervisor.take_up(_record(instance, workload))
            return
        task = asyncio.create_task(self._clear([str(one["Id"]) for one in listed]))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def _clear(self, containers: Sequence[str]) -> None:
        for container in containers:
            try:
                await container_calls.remove(self.engine, container)
                log.info("container %s was left over and is removed", container[:12])
            except MlserveError as exc:  # found again with the next look
                log.info("container %s is left over: %s", container[:12], exc)


def _read(text: str, count: int) -> Workload | None:
    try:
        return labels.from_text(text, count)
    except (ValueError, TypeError, KeyError):
        return None


def _record(instance: str, workload: Workload) -> Record:
    return Record(
        instance, workload.service, workload.version, workload.revision, resources=workload.resources,
        declared_port=workload.port, health_path=workload.health_path, drain_seconds=workload.drain_seconds,
        startup_seconds=workload.startup_seconds, started_at=time.time(),
    )  # fmt: skip
