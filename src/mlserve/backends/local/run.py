"""One run of an instance as the hub holds it: its processes, what it reports, and how it died."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserve.backends import logs
from mlserve.backends.local import launch, listening, process
from mlserve.backends.local.process import Identity
from mlserve.backends.records import Record
from mlserve.backends.report import Report, ReportFile
from mlserve.backends.run import Door, Listener
from mlserve.backends.sockets import Socket

log = logging.getLogger(__name__)

_OF_A_RUN = ("exit.json", "program.json", "report.jsonl")


class Run:
    """The processes behind one instance. Made by `begin` or, for what an earlier hub started, by `adopt`."""

    def __init__(self, directory: Path, limits: launch.LogLimits, who_listens: Callable[[int], str]) -> None:
        self.directory = directory
        self.probes: tuple[Mapping[str, Any], ...] = ()
        self.whereabouts = ""
        self.unanswered = 0
        self.terminated = False
        self._limits, self._who_listens = limits, who_listens
        self._told = ReportFile(directory / "report.jsonl")
        self._shim: Identity | None = None
        self._program: Identity | None = None
        self._watched: int | None = None
        self._status: int | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def report(self) -> Report:
        """What the program said of itself so far."""
        return self._told.report

    @property
    def container(self) -> str | None:
        """A process is none."""
        return None

    @property
    def pid(self) -> int | None:
        """The user's program, once the shim has told."""
        return self.program.pid if self.program else None

    def refresh(self) -> bool:
        """Take in what was reported since the last call."""
        return self._told.refresh()

    def answered(self) -> None:
        """Nothing follows from it here."""

    def doors(self, record: Record) -> Sequence[Door]:
        """The port it was given, and the one it may insist on."""
        ports = filter(None, (record.port, record.declared_port))
        return [Door(f"127.0.0.1:{port}", f"127.0.0.1:{port}", record.ports) for port in ports]

    def impostor(self, door: Door) -> str:
        """In words, who else answers at a door; empty when it is a process of this instance."""
        port = int(door.ask.rpartition(":")[2])
        if any(socket.port == port and socket.on_loopback for socket in self.listens()):
            return ""
        return self._who_listens(port) or "another process"

    async def astray(self, record: Record) -> Mapping[str, Any]:
        """Where its processes listen, when that is none of its doors."""
        sockets = self.listens()
        ports = {record.port, record.declared_port}
        if any(socket.port in ports and socket.on_loopback for socket in sockets):
            return {}
        return {"listening": [{"address": socket.address, "port": socket.port} for socket in sockets]}

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
        self._told.refresh()

    @property
    def program(self) -> Identity | None:
        """The user's program, once the shim has told."""
        if self._program is None:
            noted = _json(self.directory / "program.json")
            if noted and noted["boot"] == process.boot():
                self._program = Identity(**noted["program"])
        return self._program

    def watch(self, record: Record, listener: Listener) -> None:
        """Have ``listener`` told when it is over."""
        self._watched = process.watch(self._shim) if self._shim else None
        if self._watched is not None:
            self._loop.add_reader(self._watched, self._shim_gone, record, listener)
        elif self._settling:  # its shim is about to say who it is
            self._loop.call_later(0.05, self._look_again, record, listener)
        else:
            self._loop.call_soon(self._shim_gone, record, listener)

    def let_go(self) -> None:
        """Let go of the processes, which run on."""
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

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

    def listens(self) -> tuple[Socket, ...]:
        """Where its processes listen."""
        return listening.sockets_of(self.family())

    @property
    def _settling(self) -> bool:
        """Whether a shim is at work that nobody told us the pid of: started by a hub that died at that moment."""
        return self._shim is None and launch.has_shim(self.directory)

    def _look_again(self, record: Record, listener: Listener) -> None:
        self.adopt()
        self.watch(record, listener)

    def _shim_gone(self, record: Record, listener: Listener) -> None:
        self.let_go()
        if self._shim:
            status = process.reap(self._shim.pid)  # where it is our child
            self._status = status if status is not None else self._status
        if not (self.directory / "exit.json").exists() and self._attach(record):
            log.warning("instance=%s lost its shim and got a new one", record.id)
            self.watch(record, listener)
        else:
            listener.ended(self, self._death())

    def _attach(self, record: Record) -> bool:
        """Where only the shim died, put a new one behind the program; false when there is no program either."""
        program = self.program
        if program is None or not program.alive():
            return False
        (self.directory / "program.json").unlink(missing_ok=True)
        pid = launch.start_shim(self.directory, launch.attachment(record, program, self._limits))
        if pid is not None:
            self._shim = Identity(pid, process.start_time(pid))
        return True

    def _death(self) -> dict[str, Any]:
        """What its files and the shim's own status tell of its end, as evidence."""
        self._told.refresh()
        told = _json(self.directory / "exit.json") or {}
        found: dict[str, Any] = {name: told[name] for name in ("at", "oom", "memory", "not_started") if name in told}
        ended = {name: told[name] for name in ("signal", "status") if name in told}
        found |= {"exit": ended} if ended else {}
        if not told and self._status and self.program is None:
            error = os.strerror(self._status) if self._status > 0 else f"signal {-self._status}"
            found["not_started"] = {"errno": self._status, "error": error, "path": str(self.directory)}
        if self.report.failure:
            found["report_failure"] = dict(self.report.failure)
        return {**found, "log": logs.last_lines(self.directory, 40)}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
