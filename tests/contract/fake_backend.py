"""A backend in memory, for tests of what stands above backends. It passes the same suite as the real ones."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve.backends import evidence, retry
from mlserve.backends.base import Capacity, Instance, LogLine, State, Workload
from mlserve.backends.capacity import Machine, reserved, spare
from mlserve.backends.converge import converge
from mlserve.backends.local.backend import refuse_unsupported
from mlserve.backends.records import Record, new_id
from mlserve.backends.room import require_room

MACHINE = Machine(cores=8, memory_mb=16000, available_mb=16000)
REFUSAL = {"cause": "load-exception", "reason": "no such weights", "retryable": False}


class FakeBackend:
    """Instances do at once what BEHAVIOUR in their environment says: ``serve``, ``leave`` (exit 3), ``refuse``."""

    trouble = ""
    about: Mapping[str, Any] = {}

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.changed = asyncio.Event()
        self._clock = clock
        self._ports = itertools.count(20000)
        self._records: dict[str, Record] = {}
        self._gone: list[Record] = []
        self._wishes: dict[tuple[str, int], Workload] = {}
        self._logs: dict[str, list[list[LogLine]]] = {}

    async def apply(self, workload: Workload) -> None:
        self._advance()
        refuse_unsupported(workload)
        have = self._of(workload)
        starts = converge(have, workload, self._clock()).start
        if starts:
            staying = [record for record in have if record.draining_since is None]
            more = max(workload.count - len(staying), starts)
            require_room(workload.resources, more, spare(MACHINE, reserved(self._records.values())))
        self._wishes[workload.service, workload.version] = workload
        self._advance()

    async def remove(self, service: str, version: int | None = None) -> None:
        for record in list(self._records.values()):
            if record.service == service and version in (None, record.version):
                self._wishes.pop((service, record.version), None)
                self._end(record.id)
                if version is None:
                    self._logs.pop(record.id)
        if version is None:
            self._gone = [record for record in self._gone if record.service != service]
            self._logs = {name: runs for name, runs in self._logs.items() if not name.startswith(f"{service}-")}

    async def instances(self, service: str | None = None) -> Sequence[Instance]:
        self._advance()
        return [_instance(record) for record in self._records.values() if service in (None, record.service)]

    async def ended(self, service: str | None = None) -> Sequence[Instance]:
        return [_instance(record) for record in self._gone if service in (None, record.service)]

    async def logs(
        self, service: str, *, instance: str | None = None, follow: bool = False, tail: int | None = None,
        since: float | None = None, previous: bool = False,
    ) -> AsyncIterator[LogLine]:  # fmt: skip
        lines = self._lines(service, instance, previous=previous)
        wanted = [line for line in lines if since is None or line.at >= since]
        for line in wanted if tail is None else wanted[len(wanted) - tail :]:
            yield line
        while follow and self._lines(service, instance, previous=False):
            for line in self._lines(service, instance, previous=False)[len(lines) :]:
                lines.append(line)
                yield line
            self._advance()
            await asyncio.sleep(0.02)

    async def capacity(self) -> Capacity:
        return spare(MACHINE, reserved(self._records.values()))

    async def close(self, *, for_good: bool = False) -> None:
        """Nothing to let go of."""

    def kill(self, instance: str) -> None:
        """Have an instance die of SIGKILL."""
        self._die(self._records[instance], {"exit": {"signal": 9}}, has_served=True)

    def _advance(self) -> None:
        for workload in list(self._wishes.values()):
            for _ in range(3):
                self._live(workload)
                self._converge(workload)

    def _live(self, workload: Workload) -> None:
        for record in self._of(workload):
            behaviour = workload.environment["BEHAVIOUR"]
            if record.state is not State.STARTING:
                continue
            if behaviour == "serve":
                self._say(record, "serving")
                address = f"127.0.0.1:{next(self._ports)}"
                self._put(replace(record, state=State.READY, ready_at=self._clock(), was_ready=True, address=address))
            elif behaviour == "leave":
                self._say(record, "leaving")
                self._die(record, {"exit": {"status": 3}}, has_served=workload.has_served)
            elif behaviour == "refuse":
                found = {"exit": {"status": 70}, "report_failure": REFUSAL}
                self._die(record, found, has_served=workload.has_served)

    def _converge(self, workload: Workload) -> None:
        now = self._clock()
        actions = converge(self._of(workload), workload, now)
        for instance in (*actions.forget, *actions.stop):
            self._end(instance)
        for instance in actions.drain:
            self._put(replace(self._records[instance], state=State.DRAINING, draining_since=now))
        for instance in actions.restart:
            before = self._records[instance]
            self._start(replace(before, restarts=before.restarts + 1), workload)
        for _ in range(actions.start):
            self._start(
                Record(new_id(workload.service, workload.version), workload.service, workload.version, ""), workload
            )

    def _start(self, record: Record, workload: Workload) -> None:
        self._logs.setdefault(record.id, []).append([])
        fresh: dict[str, Any] = {"state": State.STARTING, "ready_at": None, "ended_at": None, "retry_at": None}
        now = self._clock()
        self._put(
            replace(
                record, **fresh, revision=workload.revision, resources=workload.resources, started_at=now, reason=""
            )
        )

    def _die(self, record: Record, found: dict[str, Any], *, has_served: bool) -> None:
        now = self._clock()
        served = record.was_ready or has_served
        death = retry.Death(
            now, record.ready_at, record.deaths, record.was_ready, served, retryable=evidence.retryable(found)
        )
        verdict = retry.judge(death)
        log = [line.text for line in self._logs[record.id][-1]][-40:]
        told = {"oom": False, "probes": [], "log": log, "at": now, **found}
        self._put(
            replace(
                record, state=State.FAILED, ended_at=now, deaths=verdict.deaths, retry_at=verdict.retry_at, address="",
                final=verdict.retry_at is None, evidence=told, reason=evidence.reason(told),
            )
        )  # fmt: skip

    def _end(self, instance: str) -> None:
        self._gone.append(replace(self._records.pop(instance), state=State.STOPPED, ended_at=self._clock()))
        self.changed.set()

    def _of(self, workload: Workload) -> list[Record]:
        key = (workload.service, workload.version)
        return [record for record in self._records.values() if (record.service, record.version) == key]

    def _put(self, record: Record) -> None:
        self._records[record.id] = record
        self.changed.set()

    def _say(self, record: Record, text: str) -> None:
        self._logs[record.id][-1].append(LogLine(self._clock(), record.id, text))

    def _lines(self, service: str, instance: str | None, *, previous: bool) -> list[LogLine]:
        runs = [
            runs for name, runs in self._logs.items() if name.startswith(f"{service}-") and instance in (None, name)
        ]
        chosen = [run[-2] if previous else run[-1] for run in runs if len(run) > previous]
        return sorted((line for run in chosen for line in run), key=lambda line: line.at)


def _instance(record: Record) -> Instance:
    return Instance(
        id=record.id, service=record.service, version=record.version, state=record.state, address=record.address,
        restarts=record.restarts, reason=record.reason, revision=record.revision, started_at=record.started_at,
        ready_at=record.ready_at, ended_at=record.ended_at, final=record.final, evidence=record.evidence,
    )  # fmt: skip
