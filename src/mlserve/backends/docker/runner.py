"""Start instances as containers of one engine, and see what becomes of them: by its events, and by looking."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlserve.backends import gpus
from mlserve.backends.base import Gpu
from mlserve.backends.docker import container_calls, labels
from mlserve.backends.docker.making import Site
from mlserve.backends.docker.run import Run
from mlserve.backends.records import Record
from mlserve.backends.run import Listener
from mlserve.errors import MlserveError
from mlserve.workload import Workload

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks at everything: an event that was lost costs no more."""
AWAY_SECONDS = 0.2
ANSWER_SECONDS = 10.0
"""How long an engine may take to say that it is there, before whoever wants something of it is told that it hangs."""

Listed = Mapping[str, Any]
Strays = Callable[[str, Sequence[Listed]], None]
"""Told of containers of an instance that no run stands for."""


class Containers:
    """All runs of one hub on one engine."""

    def __init__(self, site: Site) -> None:
        self._site, self._engine, self._hub = site, site.engine, site.hub
        self._runs: dict[str, Run] = {}
        self.gpus: tuple[Gpu, ...] = ()
        """Those of the engine's machine, as last seen."""
        self._dropping: set[asyncio.Task[None]] = set()
        self._away_since = 0.0
        self._there = asyncio.Event()
        """Set while the engine answers and everything there has been looked at."""

    @property
    def reachable(self) -> bool:
        """Whether the engine answers, and it is known what it runs."""
        return self._there.is_set() and not self._engine.trouble

    @property
    def trouble(self) -> str:
        """Why what is known of the runs may be wrong, beside what ails the engine: it was away, and all may be dead."""
        return f"what the Docker engine at {self._engine.target} runs is being looked at" if self._away_since else ""

    async def reach(self) -> None:
        """Wait until it is known what runs there; raises ResourceUnavailable while the engine is away."""
        await self._engine.call(lambda client: client.ping(), seconds=ANSWER_SECONDS)
        async with asyncio.timeout(LOOK_SECONDS * 4):
            await self._there.wait()

    def fit(self, record: Record, workload: Workload, others: Sequence[Record]) -> Record:
        """With its GPUs, where they are known one by one; the engine chooses the ports."""
        return replace(record, gpus=gpus.pick(workload.resources, self.gpus, gpus.taken(others)))

    def begin(self, record: Record, workload: Workload, directory: Path, listener: Listener) -> Run:
        """Have its containers made and started."""
        run = self._runs[record.id] = Run(self._site, record, directory, listener)
        run.begin(workload)
        return run

    def adopt(self, record: Record, directory: Path, listener: Listener) -> Run:
        """Find its containers with the next look at everything."""
        run = self._runs[record.id] = Run(self._site, record, directory, listener)
        return run

    def give_back(self, record: Record) -> None:
        """Nothing was chosen; its run is over."""
        self._runs.pop(record.id, None)

    def forget(self, record: Record) -> None:
        """Remove the volumes that were its own; a run that starts again finds them as they were."""
        task = asyncio.create_task(self._drop(record.id), name=f"volumes of {record.id}")
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    def clear(self, directory: Path) -> None:
        """Whatever runs behind a note that can't be read is found by its labels."""

    def who_listens(self, port: int) -> str:
        """Nobody: a container has its ports to itself."""
        return ""

    async def _drop(self, instance: str) -> None:
        try:
            await self._site.volumes.drop(instance)
        except MlserveError as exc:  # the next sweep finds that no container has them
            log.info("instance=%s leaves volumes: %s", instance, exc)

    async def watch(self, strays: Strays, known: Callable[[], None]) -> None:
        """Keep runs told of what happens to their containers, for ever; ``known``: called once all were looked at."""
        while True:
            looking = asyncio.create_task(self._look_again_and_again(strays, known), name="look at containers")
            try:
                async for event in self._engine.events(self._filters):
                    self._happened(event)
            except MlserveError as exc:
                if not self._away_since:  # said once, not with each try
                    log.info("no events of the engine: %s", exc)
            finally:
                self._away_since = self._away_since or time.time()
                self._there.clear()
                looking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await looking
            await asyncio.sleep(AWAY_SECONDS)

    @property
    def _filters(self) -> dict[str, Any]:
        return {"type": ["container"], "label": [f"{labels.HUB}={self._hub}"]}

    async def _look_again_and_again(self, strays: Strays, known: Callable[[], None]) -> None:
        while True:
            try:
                self._seen(await container_calls.find(self._engine, labels.of_hub(self._hub)), strays)
                if not self._there.is_set():
                    await self._looked_at()
                    self._there.set()
                    known()
            except MlserveError as exc:
                if self._there.is_set():
                    log.info("containers can't be listed: %s", exc)
                self._there.clear()
            await asyncio.sleep(LOOK_SECONDS if self._there.is_set() else AWAY_SECONDS)

    def _seen(self, containers: Sequence[Listed], strays: Strays) -> None:
        found: dict[str, list[Listed]] = defaultdict(list)
        for container in containers:
            if instance := container["Labels"].get(labels.INSTANCE):
                found[instance].append(container)
        for instance, run in list(self._runs.items()):
            run.see(found.pop(instance, []), self._away_since)
        for instance, listed in found.items():
            strays(instance, listed)

    async def _looked_at(self) -> None:
        """A list says which containers run, not since when: each run asks, and only then is it known what is ready."""
        asking = [task for run in self._runs.values() for task in run.work]
        if asking:
            await asyncio.wait(asking, timeout=ANSWER_SECONDS)
        self._away_since = 0.0

    def _happened(self, event: Mapping[str, Any]) -> None:
        actor = event.get("Actor") or {}
        told = actor.get("Attributes") or {}
        run = self._runs.get(told.get(labels.INSTANCE, ""))
        action = str(event.get("Action", ""))
        if run is None or not run.owns(str(actor.get("ID", ""))):
            return
        if action == "kill":
            run.warned(str(told.get("signal", "")))
        elif action in ("die", "start", "destroy", "oom"):
            run.look()
