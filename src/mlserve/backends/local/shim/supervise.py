"""Start one program, keep its log, hold its memory, and say how it ended. Standard library only."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from mlserve.backends.local.shim.cgroup import Cgroup
from mlserve.backends.local.shim.log import Log
from mlserve.backends.local.shim.notes import describe, introduce, reserve, write
from mlserve.backends.local.shim.program import Program
from mlserve.backends.local.shim.start import start
from mlserve.backends.local.shim.watch import drain, reopen, watch

LOCK = 3
PR_SET_CHILD_SUBREAPER = 36


def supervise(directory: Path, spec: dict[str, Any]) -> None:
    """Run the program of ``spec`` (or go on with a running one), then leave ``exit.json``."""
    os.set_inheritable(LOCK, False)
    os.closerange(LOCK + 1, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reserve(directory)
    cgroup, log = Cgroup(spec["cgroup"]), Log(directory, spec["log_bytes"], spec["log_files"])
    attach = spec["attach"]
    if attach:
        log.resume()
        pipe, program = reopen(attach["pid"]), Program(attach["pid"], attach["start"], child=False)
    else:
        log.begin()
        pipe, write_end = os.pipe()
        try:
            program = start(directory, spec, cgroup, write_end)
        except OSError as exc:
            write(directory, "exit", {"at": time.time(), "not_started": describe(exc, spec)})
            return
        os.close(write_end)
    if attach:
        introduce(directory, spec, program)
    over = watch(program, pipe, log, 0 if cgroup else spec["memory_mb"] * 2**20)
    oom = over or cgroup.oom()
    at, peak = time.time(), max(program.peak, cgroup.peak())
    program.kill(cgroup)
    drain(pipe, log)
    log.close()
    memory = {"limit_mb": spec["memory_mb"] or None, "peak_mb": round(peak / 2**20)}
    write(directory, "exit", {"at": at, **(program.ended or {}), "oom": oom, "memory": memory})
