"""The supervised process, and all that descends from it."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from mlserve.backends.local.shim.cgroup import Cgroup
from mlserve.backends.local.shim.proc import children, send, start_time


class Program:
    """The supervised process and all that descends from it."""

    def __init__(self, pid: int, start: int, *, child: bool) -> None:
        self.pid, self.start, self._child = pid, start, child
        self.ended: dict[str, Any] | None = None
        self.peak = 0

    def reap(self) -> None:
        """Collect whatever ended: the program itself, and orphans that came to us as their subreaper."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.pid and self._child:
                code = os.waitstatus_to_exitcode(status)
                self.ended = {"signal": -code} if code < 0 else {"status": code}
                self.peak = max(self.peak, usage.ru_maxrss * 1024)
        if not self._child and self.ended is None and start_time(self.pid) != self.start:
            self.ended = {}

    def family(self) -> list[int]:
        found, todo = [], [self.pid, *children(os.getpid())]
        while todo:
            pid = todo.pop()
            if pid not in found:
                found.append(pid)
                todo += children(pid)
        return found

    def kill(self, cgroup: Cgroup) -> None:
        """Kill the program's group and every descendant, until nothing is left of it."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            send(-self.pid, signal.SIGKILL)
            left = [pid for pid in {*children(os.getpid()), *cgroup.pids()} if pid != os.getpid()]
            for pid in left:
                send(pid, signal.SIGKILL)
            self.reap()
            if not left:
                return
            time.sleep(0.01)
