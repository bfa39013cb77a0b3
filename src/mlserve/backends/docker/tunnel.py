"""An ssh process of our own that brings a remote engine's socket here, and the ports of its instances.

It outlives the hub, since requests go through it; the next hub adopts it by its control socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mlserve.backends.aside import aside
from mlserve.backends.docker import troubles
from mlserve.backends.docker.target import LOOPBACK, Target
from mlserve.errors import ResourceUnavailable

log = logging.getLogger(__name__)

OPTIONS = {
    "BatchMode": "yes",  # nobody is there to be asked
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ExitOnForwardFailure": "yes",
    "StreamLocalBindMask": "0177",
    "StreamLocalBindUnlink": "yes",
    "ControlPersist": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RequestTTY": "no",
}
LONGEST = 80
"""Bytes of a folder's path: a socket's has 108, and ssh adds 17 of its own while it makes one."""
START_SECONDS = 15.0
ORDER_SECONDS = 10.0


class Tunnel:
    """The way to one engine by ssh. What it keeps is in ``folder``; sockets in a shorter one where that is too long."""

    def __init__(self, target: Target, folder: Path, lost: Callable[[], None] = lambda: None) -> None:
        """``lost`` is called when ssh has ended, whoever ended it."""
        self._target, self._folder = target, folder
        self._sockets = folder if len(os.fsencode(folder)) <= LONGEST else _short(folder)
        self._ports: dict[int, int] = {}
        """Port on the engine's machine → port on ours."""
        self._forwarded: set[int] = set()
        self._master: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        """Of an ssh that was seen to stand, ours or an earlier hub's."""
        self._lost, self._watched = lost, -1
        self._one_at_a_time = asyncio.Lock()

    @property
    def socket(self) -> str:
        """The engine's socket, on this machine."""
        return str(self._sockets / "docker.sock")

    async def open(self) -> str:
        """See to it that the tunnel stands, and return `socket`; raises ResourceUnavailable with what ssh said."""
        async with self._one_at_a_time:
            if not await self._stands():
                await self._start()
                self._forwarded.clear()
                for remote in list(self._ports):
                    await self._forward(remote)
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
        self._forwarded.discard(remote)
        if local is not None:
            self._write_ports()
            order = [*self._ssh("-O", "cancel", "-L", _forwarding(local, remote))]
            task = asyncio.create_task(self._ordered(order))
            task.add_done_callback(lambda _: None)

    def close(self) -> None:
        """Let go of it; it stands on."""
        self._unwatch()

    async def end(self) -> None:
        """End ssh and with it every way; nothing of it is left."""
        self._unwatch()
        async with self._one_at_a_time:
            await self._ordered(self._ssh("-O", "exit"))
            if self._master:
                await aside(self._master.wait)
            self._ports.clear()
            self._forwarded.clear()
            for folder in {self._sockets, self._folder}:
                await aside(partial(_remove, folder))

    async def explained(self, error: ResourceUnavailable) -> ResourceUnavailable:
        """What is wrong behind a tunnel that stands: the machine has no engine, or its user may not use it."""
        if not (self._pid and _runs(self._pid)):
            return troubles.ssh_failed("the connection was cut", self._target)
        self._pid = None  # look at ssh itself, too, the next time
        path = self._target.path
        asking = f"if [ ! -S {_quoted(path)} ]; then echo missing; elif [ ! -w {_quoted(path)} ]; then echo denied; "
        code, said = await self._ordered([*self._ssh(), f"{asking} else echo there; fi"])
        if code:
            return error
        return troubles.no_engine_behind(self._target, said.strip())

    async def _stands(self) -> bool:
        if self._master and self._master.poll() is not None:
            self._master = self._pid = None
        if self._pid and _runs(self._pid):
            return True
        if not await self._check():
            return False
        if not self._ports and not self._forwarded:
            # Adopted: what an earlier hub has forwarded through it is there as long as it stands.
            self._ports = self._read_ports()
            self._forwarded = set(self._ports)
        return True

    async def _check(self) -> bool:
        code, said = await self._ordered(self._ssh("-O", "check"))
        pid = re.search(r"pid=(\d+)", said)
        self._pid = int(pid[1]) if pid and code == 0 else None
        if self._pid:
            self._watch(self._pid)
        return code == 0

    def _watch(self, pid: int) -> None:
        """Hear of its end at once; an adopted one is no child that could be waited for."""
        self._unwatch()
        try:
            self._watched = os.pidfd_open(pid)
        except ProcessLookupError:
            self._lost()
        else:
            asyncio.get_running_loop().add_reader(self._watched, self._ended)

    def _ended(self) -> None:
        self._unwatch()
        if self._master and self._master.poll() is not None:
            self._master = None
        self._pid = None
        self._forwarded.clear()
        self._lost()

    def _unwatch(self) -> None:
        if self._watched >= 0:
            asyncio.get_running_loop().remove_reader(self._watched)
            os.close(self._watched)
            self._watched = -1

    async def _start(self) -> None:
        await aside(self._make_folders)
        self._ports = self._ports or self._read_ports()
        said = self._folder / "ssh.log"
        self._master = await aside(partial(self._spawn, said))
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._check():
                    if self._master.poll() is not None:
                        raise troubles.ssh_failed(said.read_text(errors="replace"), self._target)
                    await asyncio.sleep(0.05)
        except (TimeoutError, asyncio.CancelledError) as exc:
            self._master.kill()
            await aside(self._master.wait)
            if isinstance(exc, TimeoutError):
                raise troubles.ssh_failed("timed out", self._target) from exc
            raise
        log.info("event=tunnel-open engine=%s pid=%s", self._target, self._master.pid)

    def _spawn(self, said: Path) -> subprocess.Popen[bytes]:
        command = self._ssh("-M", "-N", "-L", f"{self.socket}:{self._target.path}")
        with said.open("wb") as file:
            # A session of its own: it goes on when the hub ends, and no terminal's Ctrl-C reaches it.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)

    async def _forward(self, remote: int) -> None:
        local = self._ports.get(remote) or _free_port()
        for port in (local, _free_port(), _free_port()):  # another program may have got the one we had
            code, said = await self._ordered(self._ssh("-O", "forward", "-L", _forwarding(port, remote)))
            if code == 0:
                self._ports[remote] = port
                self._forwarded.add(remote)
                self._write_ports()
                return
        raise troubles.ssh_failed(said, self._target)

    def _ssh(self, *arguments: str) -> list[str]:
        options = [f"-o{name}={value}" for name, value in OPTIONS.items()]
        port = ["-p", str(self._target.port)] if self._target.port else []
        control = ["-S", str(self._sockets / "control")]
        return ["ssh", *control, *options, *port, *arguments, "--", self._target.destination]

    async def _ordered(self, command: Sequence[str]) -> tuple[int, str]:
        def run() -> tuple[int, str]:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ORDER_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                return 255, "timed out"
            except FileNotFoundError:
                return 255, "there is no ssh program on this machine"
            return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

        return await aside(run)

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


def _quoted(path: str) -> str:
    return "'" + re.sub("'", "'\\''", path) + "'"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _remove(folder: Path) -> None:
    for name in ("control", "docker.sock", "ports.json", "ports.new", "ssh.log"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()
