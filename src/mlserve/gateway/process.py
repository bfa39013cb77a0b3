"""The Envoy process: started so that it outlives us, known by pid and start time, watched without being its parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

LARGEST_FILE = 256 * 1024 * 1024
"""What is noted of a million requests, while no hub reads it."""


@dataclass(frozen=True, slots=True)
class Process:
    """A pid alone may belong to somebody else tomorrow; with its start time it can't."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether it still runs."""
        status, since = _status(self.pid)
        if status == "Z" and since == self.started:
            _reap(self.pid)
        return status not in ("", "Z", "X") and since == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def exited(self) -> None:
        """Return once it has ended, whoever started it."""
        if not hasattr(os, "pidfd_open"):
            return await self._polled()
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(descriptor, ended.set)
            while self.alive():
                await ended.wait()
                loop.remove_reader(descriptor)
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _polled(self) -> None:
        while self.alive():  # noqa: ASYNC110 - there is nothing to wait on here
            await asyncio.sleep(0.1)


def spawn(command: list[str], log: Path) -> Process:
    """Start a program in a session of its own, so that neither our end nor Ctrl-C reaches it.

    What files it makes, only its user reads. A shell says so: our own mask is that of all our threads.
    """
    command = ["/bin/sh", "-c", 'umask 077; exec "$0" "$@"', *command]
    null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    errors = (os.POSIX_SPAWN_DUP2, 1, 2)
    pid = os.posix_spawn(command[0], command, {}, file_actions=[null, output, errors], setsid=True)
    _bound_files(pid)
    return Process(pid, _status(pid)[1])


def _status(pid: int) -> tuple[str, str]:
    """State letter (empty: there is no such process) and start time, in a form that only compares."""
    if sys.platform != "linux":
        return _status_elsewhere(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return fields[0], fields[19]


def boot() -> str:
    """Which run of the machine (or container) this is: addresses written down in another one mean nothing any more."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""


def _status_elsewhere(pid: int) -> tuple[str, str]:
    import psutil

    try:
        process = psutil.Process(pid)
        return "Z" if process.status() == psutil.STATUS_ZOMBIE else "S", str(process.create_time())
    except psutil.NoSuchProcess:
        return "", ""


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _bound_files(pid: int) -> None:
    """Each request in flight needs two descriptors, and shells often allow 1024; no log may fill the disk.

    What is written beyond the largest file is lost, and nothing else happens: Python ignores the signal (SIGXFSZ) that
    would end a program then, and so do the programs that it starts.
    """
    if hasattr(resource, "prlimit"):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
            if signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
