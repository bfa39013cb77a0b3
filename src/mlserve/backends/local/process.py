"""Processes by identity: a pid alone may be someone else's by now, a pid and its start time never are."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, told from any later one with the same pid."""

    pid: int
    start: int
    """Clock ticks from boot to its start."""

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return self.start != 0 and start_time(self.pid) == self.start

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process group it leads; nothing happens when it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


@cache
def boot() -> str:
    """This boot of the machine: pids and start times of another one mean nothing."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def start_time(pid: int) -> int:
    """Clock ticks from boot to the start of a process; 0 when it is gone or a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def watch(identity: Identity) -> int | None:
    """A descriptor that is readable once the process has ended; None when it has. The caller closes it."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return None
    if identity.alive():
        return descriptor
    os.close(descriptor)
    return None


def reap(pid: int) -> int | None:
    """Collect a child that has ended; its exit code, None where it is no child of ours or still runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def family(pid: int) -> set[int]:
    """A process and everything that descends from it."""
    found: set[int] = set()
    todo = [pid]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += [int(word) for word in _read(f"/proc/{one}/task/{one}/children").split()]
    return found


def command(pid: int) -> str:
    """How a process shows itself in ``ps``; empty when it is gone."""
    return _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
