"""An ssh process that stays: it holds one connection open, over which others are told what to bring here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mlserve.backends.aside import aside
from mlserve.backends.docker import troubles
from mlserve.backends.docker.target import Target

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
START_SECONDS = 15.0
ORDER_SECONDS = 10.0
_PIECE = 0.05


class Ssh:
    """The connection to one machine, by its control socket; ``lost`` is called when it has ended, whoever ended it."""

    def __init__(self, target: Target, control: Path, lost: Callable[[], None]) -> None:
        self._target, self._control, self._lost = target, control, lost
        self._pid: int | None = None
        self._child: int | None = None
        """The one that we have started, to be buried by us."""
        self._watched = -1

    @property
    def runs(self) -> bool:
        """Whether it has not ended, as far as is known without asking."""
        return self._pid is not None

    async def check(self) -> bool:
        """Ask whether it stands, also one that an earlier hub has started."""
        code, said = await self.order("-O", "check")
        pid = re.search(r"pid=(\d+)", said)
        if code == 0 and pid:
            self._watch(int(pid[1]))
        return self._pid is not None

    async def start(self, said: Path, *arguments: str) -> None:
        """Start it, what it says going to a file; raises ResourceUnavailable with that."""
        self._child = await aside(partial(_spawn, self._command("-M", "-N", *arguments), said))
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self.check():
                    if self._bury():
                        raise troubles.ssh_failed(await aside(partial(_read, said)), self._target)
                    await asyncio.sleep(_PIECE)
        except TimeoutError as exc:
            self._kill()
            raise troubles.ssh_failed("timed out", self._target) from exc
        except asyncio.CancelledError:
            self._kill()
            raise

    async def order(self, *arguments: str, command: str = "") -> tuple[int, str]:
        """Tell it something, or run a command there: exit status, and what was said."""
        words = [*self._command(*arguments), *([command] if command else [])]
        return await aside(partial(_run, words))

    async def end(self) -> None:
        """End it; there being none is no error."""
        self.close()
        await self.order("-O", "exit")
        for _ in range(int(ORDER_SECONDS / _PIECE)):
            if self._child is None or self._bury():
                return
            await asyncio.sleep(_PIECE)
        self._kill()

    def close(self) -> None:
        """Watch it no more; it stands on."""
        self._pid = None
        if self._watched >= 0:
            asyncio.get_running_loop().remove_reader(self._watched)
            os.close(self._watched)
            self._watched = -1

    def _command(self, *arguments: str) -> list[str]:
        options = [f"-o{name}={value}" for name, value in OPTIONS.items()]
        port = ["-p", str(self._target.port)] if self._target.port else []
        return ["ssh", "-S", str(self._control), *options, *port, *arguments, "--", self._target.destination]

    def _watch(self, pid: int) -> None:
        """Hear of its end at once; an adopted one is no child that could be waited for."""
        self.close()
        with contextlib.suppress(ProcessLookupError):
            self._watched = os.pidfd_open(pid)
            self._pid = pid
            asyncio.get_running_loop().add_reader(self._watched, self._ended)

    def _ended(self) -> None:
        self.close()
        self._bury()
        self._lost()

    def _bury(self) -> bool:
        """Whether the one that we have started has ended."""
        if self._child is None:
            return True
        try:
            ended = os.waitpid(self._child, os.WNOHANG)[0] != 0
        except ChildProcessError:
            ended = True
        self._child = None if ended else self._child
        return ended

    def _kill(self) -> None:
        self.close()
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._child, 9)
                os.waitpid(self._child, 0)
            self._child = None


def _spawn(command: Sequence[str], said: Path) -> int:
    """Its pid. A session of its own: it goes on when the hub ends, and no terminal's Ctrl-C reaches it."""
    return os.posix_spawnp(
        command[0],
        list(command),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
    )


def _read(path: Path) -> str:
    return path.read_text(errors="replace")


def _run(command: Sequence[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ORDER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 255, "timed out"
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")
