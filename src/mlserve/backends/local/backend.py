"""Instances as processes of this machine. They outlive the hub; the next one adopts them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from mlserve.backends import logs, report
from mlserve.backends.base import Capacity, Instance, LogLine, State, Workload
from mlserve.backends.capacity import reserved, spare
from mlserve.backends.converge import Actions, converge
from mlserve.backends.local import machine
from mlserve.backends.local.launch import LogLimits
from mlserve.backends.local.supervisor import Supervisor
from mlserve.backends.readiness import Patience, Readiness
from mlserve.backends.records import Record
from mlserve.backends.room import require_room
from mlserve.errors import InvalidDescriptor, MlserveError

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.2


class LocalBackend:
    """A backend on this machine, everything it keeps under ``home/instances``. Made inside a running event loop.

    Between two calls it restarts what died and stops what has drained, as the last `apply` of each version says.
    """

    trouble = ""

    def __init__(self, home: Path, *, log_limits: LogLimits | None = None, patience: Patience | None = None) -> None:
        self._supervisor = Supervisor(home, log_limits or LogLimits())
        self._readiness = Readiness(self._supervisor, patience or Patience())
        self._wishes: dict[tuple[str, int], Workload] = {}
        self._wake = self._supervisor.changed
        self._one_at_a_time = asyncio.Lock()
        self.changed = asyncio.Event()
        """Set when an instance has changed; the hub clears it and looks."""
        self._loop = asyncio.create_task(self._keep())

    async def apply(self, workload: Workload) -> None:
        """Make exactly ``workload.count`` copies run; NoCapacity and InvalidDescriptor come before any change."""
        refuse_unsupported(workload)
        key = (workload.service, workload.version)
        if workload.has_served:
            self._supervisor.served.add(key)
        async with self._one_at_a_time:
            await self._check_capacity(workload)
            self._wishes[key] = workload
            self._converge(workload)

    async def remove(self, service: str, version: int | None = None) -> None:
        """Stop it now, with ``drain_seconds`` to end in; without a version nothing is kept, logs included."""
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

    async def logs(
        self,
        service: str,
        *,
        instance: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        previous: bool = False,
    ) -> AsyncIterator[LogLine]:
        """Lines in time order; they outlive the instance. ``follow`` ends with the service."""
        tails: dict[str, logs.Tail] = {}
        directories = self._directories(service, instance)
        if follow:
            tails = {name: logs.Tail(name, path, from_start=False) for name, path in directories.items()}
        for line in await asyncio.to_thread(logs.read, directories, logs.Wanted(tail, since, previous)):
            yield line
        while follow and (directories := self._directories(service, instance)):
            for name, path in directories.items():
                tails.setdefault(name, logs.Tail(name, path, from_start=True))
            lines = [line for name in directories for line in tails[name].new_lines()]
            for line in sorted(lines, key=lambda line: line.at):
                yield line
            await asyncio.sleep(FOLLOW_SECONDS)

    async def capacity(self) -> Capacity:
        """Total and free CPU, memory and GPUs of this machine."""
        there = await asyncio.to_thread(machine.look)
        return spare(there, reserved(self._supervisor.all()))

    async def close(self) -> None:
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
            looks = [self._supervisor.end_stragglers(time.time())]
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

    async def _check_capacity(self, workload: Workload) -> None:
        have = self._supervisor.of(workload.service, workload.version)
        starts = converge(have, workload, time.time()).start
        if starts:
            staying = [record for record in have if record.draining_since is None]
            missing = max(workload.count - len(staying), starts)
            there = await asyncio.to_thread(machine.look)
            require_room(workload.resources, missing, spare(there, reserved(self._supervisor.all())))

    def _of(self, service: str | None) -> list[Record]:
        return [record for record in self._supervisor.all() if service in (None, record.service)]

    def _directories(self, service: str, instance: str | None) -> dict[str, Path]:
        wanted = [record for record in self._of(service) if instance in (None, record.id)]
        return {record.id: self._supervisor.records.directory(record) for record in wanted}

    def _instance(self, record: Record) -> Instance:
        run = self._supervisor.runs.get(record.id)
        program = run.program if run and record.runs else None
        told = run.report.report if run else report.Report()
        return Instance(
            id=record.id, service=record.service, version=record.version, state=record.state, address=record.address,
            restarts=record.restarts, reason=record.reason, revision=record.revision,
            pid=program.pid if program else None, started_at=record.started_at, ready_at=record.ready_at,
            ended_at=record.ended_at, final=record.final, facts=told.facts, evidence=record.evidence,
            phases=report.phases(
                told, record.started_at, record.ready_at, record.ended_at, tells=record.health_path is not None
            ),
        )  # fmt: skip


def refuse_unsupported(workload: Workload) -> None:
    """Raise InvalidDescriptor for what no local process can be."""
    problems = []
    if workload.image:
        message = "the local backend starts no images; it runs processors, and programs by command and port"
        problems.append({"pointer": "/containers", "code": "unsupported", "message": message})
    elif not workload.command:
        problems.append({"pointer": "/command", "code": "invalid", "message": "there is no program to start"})
    if problems:
        text = f'service "{workload.service}": {problems[0]["message"]}'
        raise InvalidDescriptor(text, hint="choose a resource group with another backend", details=problems)
