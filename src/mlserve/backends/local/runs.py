"""One run of an instance as the hub holds it: its processes, what it reports, and how it died."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlserve.backends import logs
from mlserve.backends.local import launch, listening, process
from mlserve.backends.local.process import Identity
from mlserve.backends.records import Record
from mlserve.backends.report import ReportFile

_OF_A_RUN = ("exit.json", "program.json", "report.jsonl")


class Run:
    """The processes behind one instance. Made by `begin` or, for what an earlier hub started, by `adopt`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.report = ReportFile(directory / "report.jsonl")
        self.probes: tuple[Mapping[str, Any], ...] = ()
        self.unanswered = 0
        """Probes in a row, since it was ready, that nothing answered."""
        self.terminated = False
        self._shim: Identity | None = None
        self._program: Identity | None = None
        self._watched: int | None = None
        self._status: int | None = None

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Start the shim; raises OSError where the machine doesn't let us."""
        for name in _OF_A_RUN:
            (self.directory / name).unlink(missing_ok=True)
        pid = launch.start_shim(self.directory, spec)
        if pid is not None:
            self._shim = Identity(pid, process.start_time(pid))

    def adopt(self) -> None:
        """Find the processes that an earlier hub started."""
        noted = _json(self.directory / "program.json")
        if noted and noted["boot"] == process.boot():
            self._shim = Identity(**noted["shim"])
            self._program = Identity(**noted["program"])
        self.report.refresh()

    def attach(self, record: Record, limits: launch.LogLimits) -> bool:
        """Where only the shim died, put a new one behind the program; false when there is no program either."""
        program = self.program
        if program is None or not program.alive():
            return False
        (self.directory / "program.json").unlink(missing_ok=True)
        pid = launch.start_shim(self.directory, launch.attachment(record, program, limits))
        if pid is not None:
            self._shim = Identity(pid, process.start_time(pid))
        return True

    @property
    def program(self) -> Identity | None:
        """The user's program, once the shim has told."""
        if self._program is None:
            noted = _json(self.directory / "program.json")
            if noted and noted["boot"] == process.boot():
                self._program = Identity(**noted["program"])
        return self._program

    @property
    def settling(self) -> bool:
        """Whether a shim is at work that nobody told us the pid of: started by a hub that died at that moment."""
        return self._shim is None and launch.has_shim(self.directory)

    def watch(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> bool:
        """Have ``ended`` called when the shim is gone; false when it is gone already."""
        self._watched = process.watch(self._shim) if self._shim else None
        if self._watched is None:
            return False
        loop.add_reader(self._watched, ended)
        return True

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go of the processes, which run on."""
        if self._watched is not None:
            loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

    def reap(self) -> None:
        """Collect the shim, where it is our child."""
        if self._shim:
            status = process.reap(self._shim.pid)
            self._status = status if status is not None else self._status

    def terminate(self) -> None:
        """Ask the program's group to end; to be repeated until the program is known."""
        if self.program and not self.terminated:
            self.program.signal_group(signal.SIGTERM)
            self.terminated = True

    def kill(self) -> None:
        """End the program's group now."""
        if self.program:
            self.program.signal_group(signal.SIGKILL)

    def family(self) -> set[int]:
        """The program's processes, daemons that came to its shim included."""
        roots = {identity.pid for identity in (self._shim, self.program) if identity and identity.alive()}
        found = {pid for root in roots for pid in process.family(root)}
        return found - {self._shim.pid} if self._shim else found

    def listens(self) -> tuple[listening.Socket, ...]:
        """Where its processes listen."""
        return listening.sockets_of(self.family())

    def death(self) -> dict[str, Any]:
        """What its files and the shim's own status tell of its end, as evidence."""
        self.report.refresh()
        told = _json(self.directory / "exit.json") or {}
        found: dict[str, Any] = {name: told[name] for name in ("at", "oom", "memory", "not_started") if name in told}
        ended = {name: told[name] for name in ("signal", "status") if name in told}
        found |= {"exit": ended} if ended else {}
        if not told and self._status and self.program is None:
            error = os.strerror(self._status) if self._status > 0 else f"signal {-self._status}"
            found["not_started"] = {"errno": self._status, "error": error, "path": str(self.directory)}
        if self.report.report.failure:
            found["report_failure"] = dict(self.report.report.failure)
        return {**found, "probes": list(self.probes), "log": logs.last_lines(self.directory, 40)}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
