"""Keep the instances of one home: start, watch, stop them, and note what becomes of each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlserve.backends import evidence, retry
from mlserve.backends.base import State, Workload
from mlserve.backends.records import Record, Records, new_id
from mlserve.backends.report import Report
from mlserve.backends.run import Door, Run, Runner
from mlserve.errors import NoCapacity

log = logging.getLogger(__name__)

KEPT_ENDED = 20
"""How many ended instances of a service are kept for their logs and evidence."""
UNREADY_GRACE = 5.0
"""Seconds to end in for an instance that serves nobody yet."""


class Supervisor:
    """All instances of one home, those of earlier hubs included. Its methods are for the event loop's thread."""

    def __init__(self, home: Path, runner: Runner) -> None:
        self.records = Records(home / "instances")
        self.runner = runner
        self.changed = asyncio.Event()
        """Set at each change of any instance; whoever waits for it clears it."""
        self.served: set[tuple[str, int]] = set()
        """Versions the hub told us have been ready."""
        self._clear_damaged()
        self._known = {record.id: record for record in self.records.load()}
        self.runs: dict[str, Run] = {}
        for record in self.all():
            if record.runs:
                self._adopt(record)

    def all(self) -> list[Record]:
        """Every instance that is noted, ended ones too."""
        return list(self._known.values())

    def get(self, instance: str) -> Record | None:
        """One instance; None when it is gone."""
        return self._known.get(instance)

    def of(self, service: str, version: int) -> list[Record]:
        """The instances of a version that count: neither ended nor removed."""
        mine = (record for record in self.all() if (record.service, record.version) == (service, version))
        return [record for record in mine if record.state is not State.STOPPED and not record.forgotten]

    def start(self, workload: Workload, again: str | None = None) -> Record:
        """Start a new instance, or one that died once more under its own id."""
        before = self._known.get(again or "")
        base = before or Record(new_id(workload.service, workload.version), workload.service, workload.version, "")
        record = self._fresh(base, workload)
        if before:
            record = replace(record, restarts=before.restarts + 1)
            self.put(record)
        else:
            self._make_room(record)
            self.put(record)
        directory = self.records.directory(record)
        try:
            self.runs[record.id] = self.runner.begin(record, workload, directory, self)
        except OSError as exc:
            self.runs.pop(record.id, None)
            self._end(record, {"not_started": {"errno": exc.errno, "error": exc.strerror, "path": str(directory)}})
            return record
        log.info("service=%s version=%s instance=%s state=starting port=%s", *_names(record), record.port)
        return record

    def take_up(self, record: Record) -> None:
        """Keep one that was found running, of which nothing is noted here."""
        self._make_room(record)
        self.put(record)
        self._adopt(record)

    def ready(self, record: Record, door: Door) -> None:
        """Note that it answers, and where."""
        ready = replace(record, state=State.READY, ready_at=time.time(), was_ready=True, reason="")
        self.put(replace(ready, address=door.address, ports=door.ports))
        self.runs[record.id].answered()
        log.info("service=%s version=%s instance=%s state=ready address=%s", *_names(record), door.address)

    def drain(self, record: Record) -> None:
        """Note that nobody is to be sent there any more; it serves on."""
        self.put(replace(record, state=State.DRAINING, draining_since=time.time()))

    def stop(self, record: Record) -> None:
        """Tell it to end; `end_stragglers` sees to it that it does."""
        if record.runs and record.stopping_since is None:
            now = time.time()
            since = record.draining_since or now
            self.put(replace(record, state=State.DRAINING, draining_since=since, stopping_since=now))
            self.runs[record.id].terminate()
        elif not record.runs and (record.state is State.FAILED or record.forgotten):
            self.forget(record)

    def kill(self, record: Record, why: dict[str, Any]) -> None:
        """End it now; ``why`` becomes part of its evidence."""
        self.put(replace(record, killed_for=why))
        self.runs[record.id].kill()

    def forget(self, record: Record) -> None:
        """A dead one is not wanted back: keep its log and evidence only, or nothing when its service is gone."""
        self.runner.forget(record)
        if record.forgotten:
            self._known.pop(record.id, None)
            self.runs.pop(record.id, None)
            self.records.delete(record)
            self.changed.set()
        else:
            self.put(replace(record, state=State.STOPPED, retry_at=None))
            self._prune(record.service)

    def remove(self, record: Record, *, entirely: bool) -> None:
        """Stop it now, whatever it does; ``entirely``: leave nothing of it."""
        if entirely and not record.forgotten:
            record = replace(record, forgotten=True)
            self.put(record)
        self.stop(record)

    def end_stragglers(self, now: float) -> float | None:
        """Kill those that were told to stop and didn't; returns when to look again."""
        looks = []
        for record in self.all():
            if not record.runs or record.stopping_since is None:
                continue
            run = self.runs[record.id]
            run.terminate()
            grace = record.drain_seconds if record.ready_at else min(record.drain_seconds, UNREADY_GRACE)
            end = record.stopping_since + grace
            if now >= end:
                run.kill()
            looks.append(end if run.terminated and now < end else now + 0.05)
        return min(looks, default=None)

    def put(self, record: Record) -> None:
        """Note the newest of an instance."""
        self._known[record.id] = record
        try:
            self.records.write(record)
        except OSError as exc:  # memory holds until the disk has room again
            log.warning("instance=%s can't note its state: %s", record.id, exc)
        self.changed.set()

    def close(self) -> None:
        """Let go of every instance; all run on."""
        for run in self.runs.values():
            run.let_go()

    def ended(self, run: Run, found: dict[str, Any]) -> None:
        """A run is over: judge it. Those that an instance has left behind are not asked about any more."""
        record = self._of_run(run)
        if record and record.runs:
            self._end(record, found)

    def begun_again(self, run: Run) -> None:
        """Somebody else restarted it: it has to show once more that it answers."""
        record = self._of_run(run)
        if record and record.state in (State.STARTING, State.READY):
            now, restarts = time.time(), record.restarts + 1
            again = replace(record, state=State.STARTING, restarts=restarts, started_at=now, ready_at=None, address="")
            self.put(replace(again, evidence={"at": now, "restarted": True}))
            log.info("service=%s version=%s instance=%s was restarted by somebody else", *_names(record))

    def noticed(self) -> None:
        """Have whoever waits for changes look."""
        self.changed.set()

    def _of_run(self, run: Run) -> Record | None:
        mine = (instance for instance, one in self.runs.items() if one is run)
        return self._known.get(next(mine, ""))

    def _fresh(self, record: Record, workload: Workload) -> Record:
        fresh = replace(
            record, state=State.STARTING, revision=workload.revision, resources=workload.resources,
            declared_port=workload.port, health_path=workload.health_path, drain_seconds=workload.drain_seconds,
            startup_seconds=workload.startup_seconds, cgroup=None, address="", ports={}, reason="",
            started_at=time.time(), ready_at=None, draining_since=None, stopping_since=None, ended_at=None,
            retry_at=None, final=False, killed_for={},
        )  # fmt: skip
        return self.runner.fit(fresh, workload, [other for other in self.all() if other.runs])

    def _make_room(self, record: Record) -> None:
        try:
            self.records.create(record)
        except OSError as exc:
            self.records.delete(record)
            raise NoCapacity(
                f"instance {record.id} can't be noted in {self.records.root}: {exc.strerror}",
                hint="free some disk, or see that this user may write there",
            ) from exc

    def _clear_damaged(self) -> None:
        """What runs behind a note that nobody can read any more is ended: nothing could be said of it."""
        for directory in self.records.damaged():
            self.runner.clear(directory)
            self.records.clear(directory)
            log.warning("instance=%s its note was damaged: ended and cleared away", directory.name)

    def _adopt(self, record: Record) -> None:
        self.runs[record.id] = self.runner.adopt(record, self.records.directory(record), self)
        log.info("service=%s version=%s instance=%s adopted", *_names(record))

    def _end(self, record: Record, found: dict[str, Any]) -> None:
        at = found.setdefault("at", time.time())
        self.runner.give_back(record)
        run = self.runs.get(record.id)
        found["probes"] = list(run.probes) if run else []
        phase = "serve" if record.ready_at else self._phase(record.id)
        proof = {**found, **record.killed_for, "phase": phase, "stopped": record.draining_since is not None}
        if record.declared_port and not record.ready_at and "taken_by" not in proof:
            proof["taken_by"] = self.who_listens(record.declared_port)
        record = replace(record, state=State.FAILED, ended_at=at, evidence=proof, address="", ports={}, cgroup=None)
        if record.draining_since is not None:
            self.forget(replace(record, reason="stopped"))
        else:
            self._judge(record)

    def _phase(self, instance: str) -> str:
        """What an instance that was never ready did last, as it told; one that tells nothing was being waited for."""
        run = self.runs.get(instance)
        told = run.report if run else Report()
        return list(told.phases)[-1] if told.phases and not told.ready_at else "probe"

    def _judge(self, record: Record) -> None:
        served = (record.service, record.version) in self.served
        verdict = retry.judge(
            retry.Death(
                record.ended_at or 0, record.ready_at, record.deaths, record.was_ready, served,
                retryable=evidence.retryable(record.evidence),
            )
        )  # fmt: skip
        final = verdict.retry_at is None
        reason = evidence.reason(record.evidence) + (f" ({verdict.reason})" if final else "")
        self.put(replace(record, reason=reason, deaths=verdict.deaths, retry_at=verdict.retry_at, final=final))
        log.warning("service=%s version=%s instance=%s died: %s", *_names(record), reason)

    def who_listens(self, port: int) -> str:
        """In words, who has a port of the place; empty when nobody is seen."""
        return self.runner.who_listens(port)

    def _prune(self, service: str) -> None:
        ended = [record for record in self.all() if record.service == service and record.state is State.STOPPED]
        for record in _oldest(ended)[: max(len(ended) - KEPT_ENDED, 0)]:
            self.forget(replace(record, forgotten=True))


def _oldest(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.ended_at or 0)


def _names(record: Record) -> tuple[str, int, str]:
    return record.service, record.version, record.id
