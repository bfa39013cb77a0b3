"""See an instance become ready, or too late for it; and that it still answers afterwards."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlserve.backends import evidence
from mlserve.backends.base import State
from mlserve.backends.probes import Answer, probe
from mlserve.backends.records import Record
from mlserve.backends.report import Report
from mlserve.backends.run import Door, Run
from mlserve.backends.supervisor import Supervisor

LOOK_SECONDS = 0.05
"""Between two looks at a starting instance, when it is the only one."""
PROBE_SECONDS = 1.0
QUIET_SECONDS = 3.0
"""A start may take so long before it is worth a word that nothing answers."""
SEARCH_SECONDS = 10.0
"""Between two looks where a program listens that does not answer: in a container each is a process there."""
WORD_SECONDS = 10.0
"""A program that reports, and answers, has so long to say what became of its start: its answer alone says less."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a ready instance is asked whether it still answers, and when it counts as hung. Seconds."""

    interval: float = 10.0
    timeout: float = 5.0
    rate: float = 5.0
    """Instances asked per second at most: with very many, each is asked less often and the hub stays cheap."""
    misses: int = 3


class Readiness:
    """Asks instances how they are, and tells the supervisor."""

    def __init__(self, supervisor: Supervisor, patience: Patience) -> None:
        self._supervisor, self._patience = supervisor, patience
        self._starting: dict[tuple[str, float], asyncio.Task[None]] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._patrol = asyncio.create_task(self._ask_round())

    def follow(self) -> None:
        """Have every starting instance watched."""
        for record in self._supervisor.all():
            start = (record.id, record.started_at)
            if record.state is State.STARTING and start not in self._starting:
                task = asyncio.create_task(self._until_ready(*start))
                self._starting[start] = task
                task.add_done_callback(partial(self._done, start))

    async def close(self) -> None:
        """Stop asking."""
        tasks = [self._patrol, *self._starting.values(), *self._asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, start: tuple[str, float], _: asyncio.Task[None]) -> None:
        self._starting.pop(start, None)

    async def _until_ready(self, instance: str, started_at: float) -> None:
        look_at, search_at, answers_since = 0.0, started_at + QUIET_SECONDS, float("inf")
        while (record := self._supervisor.get(instance)) and self._same_start(record, started_at):
            run = self._supervisor.runs[instance]
            if run.refresh():
                self._supervisor.changed.set()
            report = run.report
            if report.ready_at or not report.phases or time.time() >= look_at:
                look_at = time.time() + PROBE_SECONDS
                answers_since = await self._try(record, run, answers_since)
            if time.time() >= search_at and not report.phases:
                search_at = time.time() + SEARCH_SECONDS
                run.whereabouts = evidence.where_it_listens(await self._astray(record, run))
            late = time.time() - record.started_at > record.startup_seconds
            if late and self._supervisor.runner.reachable:
                await self._give_up(record, run)
                return
            await asyncio.sleep(LOOK_SECONDS * max(1.0, len(self._starting) / 4))

    def _same_start(self, record: Record, started_at: float) -> bool:
        return record.state is State.STARTING and record.started_at == started_at

    async def _try(self, record: Record, run: Run, answers_since: float) -> float:
        """Since when it answers (infinity: not yet); if it has said what there is to say, it is ready."""
        for door in run.doors(record):
            answer = await probe(door.ask, record.health_path, PROBE_SECONDS, behind_proxy=door.behind_proxy)
            other = run.impostor(door) if answer.ok else ""
            if other:
                answer = Answer(False, f"{door.ask} is taken by {other}", alive=False)
            self._note(run, answer)
            now = self._supervisor.get(record.id)
            if not answer.ok:
                continue
            since = min(answers_since, time.time())
            if now and self._same_start(now, record.started_at) and _has_spoken(run.report, since):
                self._supervisor.ready(now, door)
            return since
        return answers_since

    async def _give_up(self, record: Record, run: Run) -> None:
        why: dict[str, Any] = {"startup_timeout": True, "startup_seconds": record.startup_seconds}
        why |= await self._astray(record, run)
        now = self._supervisor.get(record.id)
        if now and self._same_start(now, record.started_at):
            self._supervisor.kill(now, why)

    async def _astray(self, record: Record, run: Run) -> dict[str, Any]:
        """Where it listens, if not where it was wished."""
        why = dict(await run.astray(record))
        if record.declared_port:
            why["declared_port"] = record.declared_port
            why["taken_by"] = self._supervisor.who_listens(record.declared_port) if "listening" in why else ""
        return why

    def _note(self, run: Run, answer: Answer) -> None:
        seen = {"at": time.time(), "ok": answer.ok, "detail": answer.detail}
        run.probes = evidence.collapse(run.probes, seen)

    async def _ask_round(self) -> None:
        while True:
            ready = [record.id for record in self._supervisor.all() if record.state is State.READY]
            pause = max(self._patience.interval / max(len(ready), 1), 1 / self._patience.rate)
            for instance in ready or [""]:
                await asyncio.sleep(pause)
                record = self._supervisor.get(instance)
                if record and record.state is State.READY:
                    task = asyncio.create_task(self._ask(record))
                    self._asking.add(task)
                    task.add_done_callback(self._asking.discard)

    async def _ask(self, record: Record) -> None:
        run = self._supervisor.runs[record.id]
        door = next((door for door in run.doors(record) if door.address == record.address), _itself(record))
        answer = await probe(door.ask, record.health_path, self._patience.timeout, behind_proxy=door.behind_proxy)
        silent = not answer.alive and self._supervisor.runner.reachable
        run.unanswered = run.unanswered + 1 if silent else 0
        if answer.alive:
            return
        self._note(run, answer)
        hung = run.unanswered >= self._patience.misses
        now = self._supervisor.get(record.id)
        if hung and now and now.state is State.READY and now.started_at == record.started_at:
            self._supervisor.kill(now, {"hung": True})


def _has_spoken(report: Report, answers_since: float) -> bool:
    if report.failure:
        return False  # it is about to end
    return bool(report.ready_at) or not report.phases or time.time() - answers_since > WORD_SECONDS


def _itself(record: Record) -> Door:
    return Door(record.address, record.address, record.ports)
