"""Instances as processes of this machine. They outlive the hub; the next one adopts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from mlserve.backends import logs
from mlserve.backends.base import Capacity, LogLine, Workload
from mlserve.backends.capacity import reserved, spare
from mlserve.backends.gpus import taken
from mlserve.backends.keeping import KeepingBackend
from mlserve.backends.local import machine
from mlserve.backends.local.launch import LogLimits
from mlserve.backends.local.runner import Processes
from mlserve.backends.readiness import Patience
from mlserve.backends.supervisor import Supervisor
from mlserve.errors import InvalidDescriptor

FOLLOW_SECONDS = 0.2


class LocalBackend(KeepingBackend):
    """A backend on this machine, everything it keeps under ``home/instances``. Made inside a running event loop."""

    trouble = ""
    about: Mapping[str, Any] = {}

    def __init__(self, home: Path, *, log_limits: LogLimits | None = None, patience: Patience | None = None) -> None:
        self._processes = Processes(home, log_limits or LogLimits())
        super().__init__(Supervisor(home, self._processes), patience or Patience())

    def refuse_unsupported(self, workload: Workload) -> None:
        """Raise InvalidDescriptor for what no local process can be."""
        refuse_unsupported(workload)

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

    async def _reach(self) -> None:
        """This machine can always be asked."""

    async def capacity(self) -> Capacity:
        """Total and free CPU, memory and GPUs of this machine."""
        there = await asyncio.to_thread(machine.look)
        self._processes.gpus = there.gpus
        records = self._supervisor.all()
        return spare(there, reserved(records), taken(records))

    def _directories(self, service: str, instance: str | None) -> dict[str, Path]:
        wanted = [record for record in self._of(service) if instance in (None, record.id)]
        return {record.id: self._supervisor.records.directory(record) for record in wanted}


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
