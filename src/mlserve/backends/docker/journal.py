"""The log of a service: of what runs, as the engine has it; of what is gone, as it was kept."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import AsyncIterator, Sequence

from mlserve.backends import logs
from mlserve.backends.base import LogLine
from mlserve.backends.docker import container_calls
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.output import Lines, Written, is_log
from mlserve.backends.records import Record
from mlserve.backends.supervisor import Supervisor
from mlserve.errors import MlserveError

LOOK_SECONDS = 0.2
REPORTS = 200
"""Lines asked for beyond a tail, since reports among them are not shown."""


class Journal:
    """Reads what the instances of one home have written."""

    def __init__(self, engine: Engine, supervisor: Supervisor) -> None:
        self._engine, self._supervisor = engine, supervisor

    async def lines(
        self, service: str, instance: str | None, wanted: logs.Wanted, *, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Lines in time order; ``follow`` ends with the service."""
        seen: dict[str, str] = {}
        for line in await self._past(self._of(service, instance), wanted, seen):
            yield line
        if follow:
            async for line in self._follow(service, instance, seen):
                yield line

    async def _past(self, records: Sequence[Record], wanted: logs.Wanted, seen: dict[str, str]) -> Sequence[LogLine]:
        running = {record.id: self._container(record) for record in records if record.runs}
        directories = {record.id: self._supervisor.records.directory(record) for record in records}
        # What runs is not in the files: there, the newest run is still the one before it.
        before = {name: path for name, path in directories.items() if name in running}
        ended = {name: path for name, path in directories.items() if name not in running}
        streams = [await asyncio.to_thread(logs.read, ended, wanted)]
        if wanted.previous:
            streams.append(await asyncio.to_thread(logs.read, before, logs.Wanted(wanted.tail, wanted.since)))
        else:
            living = {name: container for name, container in running.items() if container}
            streams += [await self._of_container(*one, wanted, seen) for one in living.items()]
        merged = heapq.merge(*streams, key=lambda line: line.at)
        return list(merged if wanted.tail is None else deque(merged, maxlen=wanted.tail))

    async def _of_container(
        self, instance: str, container: str, wanted: logs.Wanted, seen: dict[str, str]
    ) -> list[LogLine]:
        tail = container_calls.KEPT_LINES if wanted.tail is None else wanted.tail + REPORTS
        lines = await container_calls.output(self._engine, container, tail=tail, since=wanted.since)
        seen[container] = lines[-1].stamp if lines else ""
        texts = [_line(instance, line) for line in lines if is_log(line)]
        return [line for line in texts if wanted.since is None or line.at >= wanted.since]

    async def _follow(self, service: str, instance: str | None, seen: dict[str, str]) -> AsyncIterator[LogLine]:
        found: asyncio.Queue[LogLine] = asyncio.Queue(maxsize=1000)
        readers: dict[str, asyncio.Task[None]] = {}
        try:
            while records := self._of(service, instance):
                for record in records:
                    container = self._container(record)
                    if container and container not in readers:
                        reading = self._read_on(record.id, container, seen.get(container, ""), found)
                        readers[container] = asyncio.create_task(reading, name=f"log of {record.id}")
                line = await _soon(found)
                if line:
                    yield line
        finally:
            for task in readers.values():
                task.cancel()
            await asyncio.gather(*readers.values(), return_exceptions=True)

    async def _read_on(self, instance: str, container: str, seen: str, found: asyncio.Queue[LogLine]) -> None:
        since = Written(seen, "").at if seen else None
        pieces = self._engine.stream(container_calls.following(container, since))
        lines = Lines()
        try:
            async for piece in pieces:
                for line in lines.feed(piece):
                    if line.stamp > seen and is_log(line):
                        await found.put(_line(instance, line))
        except MlserveError:
            return  # the container is gone, or the engine: whatever runs next is read from its beginning
        finally:
            await pieces.aclose()

    def _of(self, service: str, instance: str | None) -> list[Record]:
        mine = (record for record in self._supervisor.all() if record.service == service)
        return [record for record in mine if instance in (None, record.id)]

    def _container(self, record: Record) -> str | None:
        run = self._supervisor.runs.get(record.id)
        return run.container if run and record.runs else None


async def _soon(found: asyncio.Queue[LogLine]) -> LogLine | None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            return await found.get()
    return None


def _line(instance: str, line: Written) -> LogLine:
    return LogLine(line.at, instance, line.text)
