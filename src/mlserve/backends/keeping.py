"""Keep what was wished of a place where this hub itself starts and ends instances: local processes, containers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from mlserve.backends import gpus, report
from mlserve.backends.base import Capacity, Instance, State, Workload
from mlserve.backends.converge import Actions, converge
from mlserve.backends.readiness import QUIET_SECONDS, Patience, Readiness
from mlserve.backends.records import Record
from mlserve.backends.report import Report
from mlserve.backends.room import require_room
from mlserve.backends.run import Run
from mlserve.backends.supervisor import Supervisor
from mlserve.errors import MlserveError

log = logging.getLogger(__name__)


class KeepingBackend(ABC):
    """All of a backend but its logs and its size. Made inside a running event loop.

    Between two calls it restarts what died and stops what has drained, as the last `apply` of each version says.
    """

    def __init__(self, supervisor: Supervisor, patience: Patience) -> None:
        self._supervisor = supervisor
        self._readiness = Readiness(supervisor, patience)
        self._wishes: dict[tuple[str, int], Workload] = {}
        self._wake = supervisor.changed
        self._one_at_a_time = asyncio.Lock()
        self.changed = asyncio.Event()
        """Set when an instance has changed; the hub clears it and looks."""
        self._loop = asyncio.create_task(self._keep())

    @abstractmethod
    def refuse_unsupported(self, workload: Workload) -> None:
        """Raise InvalidDescriptor for what this place can't run."""

    @abstractmethod
    async def _reach(self) -> None:
        """Wait until the place can be asked; raises ResourceUnavailable while it can't."""

    @abstractmethod
    async def capacity(self) -> Capacity:
        """Total and free CPU, memory and GPUs of the place."""

    async def apply(self, workload: Workload) -> None:
        """Make exactly ``workload.count`` copies run; NoCapacity and InvalidDescriptor come before any change."""
        self.refuse_unsupported(workload)
        await self._reach()
        key = (workload.service, workload.version)
        if workload.has_served:
            self._supervisor.served.add(key)
        async with self._one_at_a_time:
            workload = await self._fitted(workload)
            await self._check_capacity(workload)
            self._wishes[key] = workload
            self._converge(workload)

    async def remove(self, service: str, version: int | None = None) -> None:
        """Stop it now, with ``drain_seconds`` to end in; without a version nothing is kept, logs included."""
        await self._reach()
        for key in [key for key in self._wishes if key[0] == service and version in (None, key[1])]:
            del self._wishes[key]
        if version is None:  # another service of this name starts anew
            self._supervisor.served -= {key for key in self._supervisor.served if key[0] == service}
        for record in self._supervisor.all():
            if record.service == service and version in (None, record.version):
                self._supervisor.remove(record, entirely=version is None)
        self._wake.set()

    async def instances(self, service: str | None = None) -> Sequence[Instance]:
        """What runs, is starting, or has failed; `ended` has the rest."""
        return [self._instance(record) for record in self._of(service) if record.state is not State.STOPPED]

    async def ended(self, service: str | None = None) -> Sequence[Instance]:
        """Instances that are gone for good, whose log and evidence are still kept; until the service is removed."""
        return [self._instance(record) for record in self._of(service) if record.state is State.STOPPED]

    async def close(self, *, for_good: bool = False) -> None:
        """Let go of everything; what runs goes on."""
        self._loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._loop
        await self._readiness.close()
        self._supervisor.close()

    async def _keep(self) -> None:
        """Restart, stop and kill as time passes and instances change."""
        while True:
            if self._wake.is_set():
                self._wake.clear()
                self.changed.set()
            looks: list[float | None] = []
            if self._supervisor.runner.reachable:
                looks += [self._supervisor.end_stragglers(time.time())]
                looks += [self._converge_quietly(workload) for workload in list(self._wishes.values())]
            self._readiness.follow()
            due = min((look for look in looks if look is not None), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(due - time.time(), 0.01)):
                    await self._wake.wait()

    def _converge_quietly(self, workload: Workload) -> float | None:
        try:
            return self._converge(workload)
        except MlserveError as exc:
            log.warning("service=%s version=%s: %s", workload.service, workload.version, exc)
            return time.time() + 1

    def _converge(self, workload: Workload) -> float | None:
        have = self._supervisor.of(workload.service, workload.version)
        actions = converge(have, workload, time.time())
        self._act(actions, workload)
        return actions.look_again_at

    def _act(self, actions: Actions, workload: Workload) -> None:
        by_id = {record.id: record for record in self._supervisor.all()}
        for instance in actions.forget:
            self._supervisor.forget(by_id[instance])
        for instance in actions.drain:
            self._supervisor.drain(by_id[instance])
        for instance in actions.stop:
            self._supervisor.stop(by_id[instance])
        for instance in actions.restart:
            self._supervisor.start(workload, again=instance)
        for _ in range(actions.start):
            self._supervisor.start(workload)

    async def _fitted(self, workload: Workload) -> Workload:
        """Without a GPU where the place has none and the service allows that."""
        if not gpus.wants(workload.resources):
            return workload
        return replace(workload, resources=gpus.fitted(workload.resources, await self.capacity()))

    async def _check_capacity(self, workload: Workload) -> None:
        have = self._supervisor.of(workload.service, workload.version)
        starts = converge(have, workload, time.time()).start
        if starts:
            staying = [record for record in have if record.draining_since is None]
            missing = max(workload.count - len(staying), starts)
            require_room(workload.resources, missing, await self.capacity())

    def _of(self, service: str | None) -> list[Record]:
        return [record for record in self._supervisor.all() if service in (None, record.service)]

    def _instance(self, record: Record) -> Instance:
        run = self._supervisor.runs.get(record.id)
        there = run if run and record.runs else None
        told = run.report if run else Report()
        return Instance(
            id=record.id, service=record.service, version=record.version, state=record.state, address=record.address,
            ports=record.ports, restarts=record.restarts, reason=record.reason or _awaited(record, there),
            revision=record.revision,
            pid=there.pid if there else None, container=there.container if there else None,
            started_at=record.started_at, ready_at=record.ready_at, ended_at=record.ended_at, final=record.final,
            facts=told.facts, evidence=record.evidence,
            phases=report.phases(
                told, record.started_at, record.ready_at, record.ended_at, tells=record.health_path is not None
            ),
        )  # fmt: skip


def _awaited(record: Record, run: Run | None) -> str:
    """What an instance that says nothing of itself is waited for, once that is long enough to be worth a word."""
    if record.state is not State.STARTING or not run or not run.probes or run.report.phases:
        return ""
    quiet = time.time() - record.started_at > QUIET_SECONDS
    return f"no answer yet: {run.whereabouts or run.probes[-1]['detail']}" if quiet else ""
