"""Fork the program into a session of its own."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

from mlserve.backends.local.shim.cgroup import Cgroup
from mlserve.backends.local.shim.notes import introduce
from mlserve.backends.local.shim.proc import start_time
from mlserve.backends.local.shim.program import Program


def start(directory: Path, spec: dict[str, Any], cgroup: Cgroup, write_end: int) -> Program:
    """Fork the program into a session of its own; raises the OSError that kept it from starting.

    It begins once its pid is noted: were we killed before, it would run on with nobody who knows of it.
    """
    failed, failing = os.pipe()
    noted, noting = os.pipe()
    standing, stands = os.pipe()
    # Opened for reading too, the pipe never breaks: a program that outlives this shim is not killed by its own log.
    output = os.open(f"/proc/self/fd/{write_end}", os.O_RDWR)
    pid = os.fork()
    if pid == 0:
        os.close(noting)
        stand_alone()
        os.write(stands, b"!")
        if not os.read(noted, 1):  # the shim is gone
            os._exit(127)
        become(spec, cgroup, output, failing)
    os.close(failing)
    os.close(output)
    os.close(noted)
    os.close(stands)
    os.read(standing, 1)  # from now on it has a group, and signals reach it
    os.close(standing)
    program = Program(pid, start_time(pid), child=True)
    introduce(directory, spec, program)
    os.write(noting, b"!")
    os.close(noting)
    with os.fdopen(failed) as report:
        text = report.read()
    if text:
        os.waitpid(pid, 0)
        number, _, name = text.partition(" ")
        raise OSError(int(number), os.strerror(int(number)), name)
    return program


def stand_alone() -> None:
    """Leave the shim's session, and end by signals again as programs do."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def become(spec: dict[str, Any], cgroup: Cgroup, output: int, failing: int) -> None:
    name = ""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        cgroup.join()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        name = spec["cwd"]
        os.chdir(name)
        name = spec["argv"][0]
        os.execvpe(name, spec["argv"], spec["env"])  # noqa: S606 - starting a program is what it is for
    except OSError as exc:
        os.write(failing, f"{exc.errno} {name}".encode())
    finally:
        os._exit(127)
