"""The way to a remote engine: its socket and the ports of its instances, brought here by one ssh connection.

It outlives the hub, since requests go through it; the next hub adopts it by its control socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mlserve.backends.aside import aside
from mlserve.backends.docker import troubles
from mlserve.backends.docker.ssh import Ssh
from mlserve.backends.docker.target import LOOPBACK, Target
from mlserve.errors import ResourceUnavailable

log = logging.getLogger(__name__)

LONGEST = 80
"""Bytes of a folder's path: a socket's has 108, and ssh adds 17 of its own while it makes one."""
TRIES = 3


class Tunnel:
    """The way to one engine by ssh. What it keeps is in ``folder``; sockets in a shorter one where that is too long."""

    def __init__(self, target: Target, folder: Path, lost: Callable[[], None]) -> None:
        """``lost`` is called when the connection has ended, whoever ended it."""
        self._target, self._folder = target, folder
        self._sockets = folder if len(os.fsencode(folder)) <= LONGEST else _short(folder)
        self._ssh = Ssh(target, self._sockets / "control", partial(self._ended, lost))
        self._ports: dict[int, int] = {}
        """Port on the engine's machine → port on ours."""
        self._forwarded: set[int] = set()
        self._one_at_a_time = asyncio.Lock()
        self._forgetting: set[asyncio.Task[tuple[int, str]]] = set()

    @property
    def socket(self) -> str:
        """The engine's socket, on this machine."""
        return str(self._sockets / "docker.sock")

    async def open(self) -> str:
        """See to it that the tunnel stands, and return `socket`; raises ResourceUnavailable with what ssh said."""
        async with self._one_at_a_time:
            if self._ssh.runs:
                return self.socket
            if await self._ssh.check():  # an earlier hub's: what that has forwarded is there as long as it stands
                self._ports = self._read_ports()
                self._forwarded = set(self._ports)
                return self.socket
            await self._start()
        return self.socket

    async def reach(self, remote: int) -> str:
        """``host:port`` here that leads to a port of the engine's loopback; raises ResourceUnavailable."""
        if remote not in self._forwarded:
            await self.open()
            async with self._one_at_a_time:
                if remote not in self._forwarded:
                    await self._forward(remote)
        return f"{LOOPBACK}:{self._ports[remote]}"

    def forget(self, remote: int) -> None:
        """No way leads to this port any more."""
        local = self._ports.pop(remote, None)
        if local is None:
            return
        self._write_ports()
        if remote in self._forwarded:
            self._forwarded.discard(remote)
            task = asyncio.create_task(self._ssh.order("-O", "cancel", "-L", _forwarding(local, remote)))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    def close(self) -> None:
        """Let go of it; it stands on."""
        self._ssh.close()

    async def end(self) -> None:
        """End ssh and with it every way; nothing of it is left."""
        async with self._one_at_a_time:
            await self._ssh.end()
            self._ports.clear()
            self._forwarded.clear()
            for folder in {self._sockets, self._folder}:
                await aside(partial(shutil.rmtree, folder, ignore_errors=True))

    async def explained(self, error: ResourceUnavailable) -> ResourceUnavailable:
        """What is wrong behind a tunnel that stands: the machine has no engine, or its user may not use it."""
        if not self._ssh.runs:
            return troubles.ssh_failed("the connection was cut", self._target)
        path = shlex.quote(self._target.path)
        asking = f"if [ ! -S {path} ]; then echo missing; elif [ ! -w {path} ]; then echo denied; else echo there; fi"
        code, said = await self._ssh.order(command=asking)
        return error if code else troubles.no_engine_behind(self._target, said.strip())

    def _ended(self, lost: Callable[[], None]) -> None:
        self._forwarded.clear()
        lost()

    async def _start(self) -> None:
        await aside(self._make_folders)
        self._ports = self._ports or self._read_ports()
        self._forwarded.clear()
        await self._ssh.start(self._folder / "ssh.log", "-L", f"{self.socket}:{self._target.path}")
        log.info("event=tunnel-open engine=%s", self._target)
        for remote in list(self._ports):
            await self._forward(remote)

    async def _forward(self, remote: int) -> None:
        said, port = "", self._ports.get(remote) or _free_port()
        for _ in range(TRIES):
            code, said = await self._ssh.order("-O", "forward", "-L", _forwarding(port, remote))
            if code == 0:
                self._ports[remote] = port
                self._forwarded.add(remote)
                self._write_ports()
                return
            port = _free_port()  # another program has got the one that we had
        raise troubles.ssh_failed(said, self._target)

    def _make_folders(self) -> None:
        for folder in (self._folder, self._sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = folder.stat()
            if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
                raise ResourceUnavailable(
                    f"the folder {folder} is open to other users", hint=f"remove it: rm -r {folder}"
                )
        for name in ("control", "docker.sock"):
            (self._sockets / name).unlink(missing_ok=True)

    def _read_ports(self) -> dict[int, int]:
        with contextlib.suppress(FileNotFoundError):
            return {int(remote): int(local) for remote, local in json.loads(self._file.read_text()).items()}
        return {}

    def _write_ports(self) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(self._ports))
        temporary.rename(self._file)

    @property
    def _file(self) -> Path:
        return self._folder / "ports.json"


def _forwarding(local: int, remote: int) -> str:
    return f"{LOOPBACK}:{local}:{LOOPBACK}:{remote}"


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def _short(folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mlserve-{os.getuid()}-{key}"
