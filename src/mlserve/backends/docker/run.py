"""One run of an instance as containers: made, watched and cleared away, each step off the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserve.backends.base import State
from mlserve.backends.docker import container_calls, deaths, labels
from mlserve.backends.docker.doorway import Doorway
from mlserve.backends.docker.making import Site, make, refusal
from mlserve.backends.docker.remains import Remains
from mlserve.backends.docker.start_report import StartReport
from mlserve.backends.records import Record
from mlserve.backends.report import Report
from mlserve.backends.run import Door, Listener
from mlserve.errors import MlserveError, ResourceUnavailable
from mlserve.workload import Workload

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
"""How long one that somebody told to end may take to be started again by the same: ``docker restart``."""

LAST_WORDS_SECONDS = 2.0
"""How much later than its readiness what it reported may come."""


class Run:
    """The containers behind one instance. Made by `begin` or, for what an earlier hub started, by `adopt`."""

    def __init__(self, site: Site, record: Record, directory: Path, listener: Listener) -> None:
        self.instance = record.id
        self.probes: tuple[Mapping[str, Any], ...] = ()
        self.whereabouts = ""
        self.unanswered = 0
        self.terminated = False
        self._engine, self._site, self._listener = site.engine, site, listener
        self._record = record
        self._remains = Remains(site.engine, directory)
        self._start_report = StartReport(site.engine, directory, listener)
        self._ids: list[str] = []
        self._doorway = Doorway(site.engine)
        self._started = ""
        self._stop_signal = "SIGTERM"
        self._warned = False
        self._adopted = False
        self._away_since = 0.0
        self._over = False
        self._one_at_a_time = asyncio.Lock()
        self._work: set[asyncio.Task[None]] = set()
        self._settling: asyncio.TimerHandle | None = None
        self._killing: asyncio.Task[None] | None = None

    @property
    def report(self) -> Report:
        """What it said of itself so far."""
        return self._start_report.report

    @property
    def pid(self) -> int | None:
        """None: its processes are the engine's."""
        return None

    @property
    def container(self) -> str | None:
        """The id of its first container."""
        return self._ids[0] if self._ids else None

    def refresh(self) -> bool:
        """Take in what it reported since the last call."""
        return self._start_report.refresh()

    def answered(self) -> None:
        """It is ready: what it tells from here on is for its log."""
        asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._start_report.close)

    def doors(self, record: Record) -> Sequence[Door]:
        """Where the engine has published its port, once it runs."""
        return [self._doorway.door] if self._doorway.door else []

    def impostor(self, door: Door) -> str:
        """Nobody else: the engine itself holds the port."""
        return ""

    def begin(self, workload: Workload) -> None:
        """Make and start its containers; a failure is told to the listener."""
        self._adopted = True
        self._start_report.begin()
        self._do(self._begin(workload))

    def see(self, listed: Sequence[Mapping[str, Any]], away_since: float) -> None:
        """What the engine lists of this instance; taken up where an earlier hub made it.

        ``away_since``: when the engine went away, where this is the first look after that; else 0.
        """
        self._away_since = away_since or self._away_since
        if self._work or self._over:
            return  # it is being made, or cleared away
        if not self._adopted and not self._ids:
            parts = sorted(listed, key=lambda one: int(one["Labels"].get(labels.PART, 0)))
            self._ids = [str(one["Id"]) for one in parts]
        running = {str(one["Id"]) for one in listed if one["State"] == "running"}
        if not self._adopted or running != set(self._ids) or away_since:
            self._adopted = True
            self.look()
        for left in {str(one["Id"]) for one in listed} - set(self._ids):  # by a start that a dying hub had begun
            self._do(container_calls.remove(self._engine, left))

    @property
    def work(self) -> Collection[asyncio.Task[None]]:
        """What it is about to find out or to do."""
        return tuple(self._work)

    def owns(self, container: str) -> bool:
        """Whether a container is one of this very run."""
        return container in self._ids

    def warned(self, signal: str) -> None:
        """Somebody has sent it a signal. One that ends it may be the first half of a restart."""
        self._warned = not self.terminated and signal not in ("9", "SIGKILL", "KILL")

    def look(self) -> None:
        """Something happened to one of its containers, or may have."""
        self._do(self._look())

    def terminate(self) -> None:
        """Send the signal by which its image wants to be ended; to be repeated while that fails."""
        if not self.terminated and not self._over:
            self.terminated = True
            self._do(self._terminate())

    def kill(self) -> None:
        """End its containers now."""
        if self._killing is None or self._killing.done():
            self._killing = self._do(self._kill())

    def let_go(self) -> None:
        """Stop watching; it runs on."""
        self._start_report.close()
        if self._settling:
            self._settling.cancel()
        for task in self._work:
            task.cancel()

    async def astray(self, record: Record) -> Mapping[str, Any]:
        """Where its processes listen, when that is not where anything from outside reaches them."""
        if not self._ids or self._over:
            return {}
        try:
            found = await container_calls.sockets(self._engine, self._ids[0])
        except MlserveError as exc:
            log.warning("instance=%s can't be asked where it listens: %s", self.instance, exc)
            return {}
        if found is None or any(socket.port in self._doorway.inside and socket.everywhere for socket in found):
            return {}
        return {"listening": [{"address": socket.address, "port": socket.port} for socket in found], "inside": True}

    def _do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._one_after_the_other(work), name=f"instance {self.instance}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _one_after_the_other(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._one_at_a_time:
                await work
        except MlserveError as exc:  # the engine went away meanwhile: when it is back, all are looked at
            log.info("instance=%s: %s", self.instance, exc)
        finally:
            work.close()

    async def _begin(self, workload: Workload) -> None:
        try:
            await make(self._site, self._record, workload, self._ids)
            await self._look()
        except MlserveError as exc:
            log.warning("instance=%s can't be started: %s", self.instance, exc)
            await self._give_up(refusal(exc, workload.image or ""))

    async def _give_up(self, found: dict[str, Any]) -> None:
        try:
            await self._clear()
        except ResourceUnavailable as exc:  # whoever lists containers next finds and removes them
            log.info("instance=%s leaves containers: %s", self.instance, exc)
        self._end(found)

    async def _clear(self) -> None:
        for container in self._ids:
            await container_calls.remove(self._engine, container)

    async def _look(self) -> None:
        if self._over:
            return
        seen = [await container_calls.inspect(self._engine, container) for container in self._ids]
        if seen and all(deaths.runs(one) for one in seen):
            await self._settle_in(seen[0] or {})
        elif self._warned and seen[0] is not None:
            self._warned = False
            self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self.look)
        else:
            await self._bury(seen)

    async def _settle_in(self, main: Mapping[str, Any]) -> None:
        """It runs: find where, and whether that is still the start that we know."""
        self._stop_signal = main["Config"].get("StopSignal") or "SIGTERM"
        started, before = str(main["State"]["StartedAt"]), self._started
        if started == before:
            return
        if before and len(self._ids) > 1:  # those that shared its address don't share the new one
            log.warning("instance=%s was restarted by somebody else: all of it starts anew", self.instance)
            await self._bury([main])
            return
        self._started = started
        door = await self._doorway.find(main)
        if door is None:
            return
        moved = not before and self._record.address not in ("", door.address)
        if before or moved:
            self._warned = False
            self._listener.begun_again(self)
        if before or moved or self._record.state is State.STARTING:
            self._start_report.begin()
            self._start_report.follow(str(main["Id"]), since=deaths.moment(started))

    async def _terminate(self) -> None:
        try:
            for container in self._ids:
                await container_calls.send(self._engine, container, self._stop_signal)
        except MlserveError:
            self.terminated = False
            raise
        await self._look()

    async def _kill(self) -> None:
        for container in self._ids:
            await container_calls.send(self._engine, container, "SIGKILL")
        await self._look()

    async def _bury(self, seen: Sequence[Mapping[str, Any] | None]) -> None:
        """Keep what it wrote and how it ended, then leave nothing of it."""
        found = deaths.evidence_of(seen, self._record.resources.memory_mb)
        now = time.time()
        at = found["at"] = min(found.get("at", now), now)  # the engine's machine has a clock of its own
        if self._away_since and at >= self._away_since:
            found["engine_gone"] = True
        there = [container for container, one in zip(self._ids, seen, strict=False) if one]
        told = await self._remains.keep(there)
        self._start_report.take(told.report)
        if self.report.failure:
            found["report_failure"] = dict(self.report.failure)
        await self._clear()
        self._end({**found, "log": told.last})

    def _end(self, found: dict[str, Any]) -> None:
        self._over = True
        self._start_report.close()
        self._listener.ended(self, found)
        self._doorway.forget()
