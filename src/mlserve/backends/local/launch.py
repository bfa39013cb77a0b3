"""Start an instance's shim, with all that it and the program are to know."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.backends.base import Workload
from mlserve.backends.local import secrets
from mlserve.backends.local.process import Identity, boot
from mlserve.backends.records import Record
from mlserve.backends.told import told, with_ports

LOG_BYTES = 10 * 2**20
LOG_FILES = 3
INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
"""All that a program gets of the hub's own environment."""
_SHIM = Path(__file__).parent / "shim" / "__main__.py"


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much an instance's log may take: files of so many bytes."""

    size: int = LOG_BYTES
    files: int = LOG_FILES


def program_environment(
    workload: Workload, record: Record, directory: Path, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a program: our defaults, over them the workload's own, over both its port and paths."""
    return {
        **{name: inherited[name] for name in INHERITED if name in inherited},
        **({"CUDA_VISIBLE_DEVICES": ",".join(record.gpus)} if record.gpus else {}),
        **told(workload, record.id, record.port, str(directory / "report.jsonl")),
        **({"MLSERVE_SECRETS": str(secrets.folder(directory))} if workload.secrets else {}),
    }


def specification(workload: Workload, record: Record, directory: Path, limits: LogLimits) -> dict[str, Any]:
    """What the shim reads: the program, and how it is to be kept."""
    ports = {name: int(address.rpartition(":")[2]) for name, address in record.ports.items()}
    return {
        **_keeping(record, limits),
        "argv": with_ports(workload.command, record.port, ports),
        "env": program_environment(workload, record, directory, os.environ),
        "cwd": workload.workdir or str(directory),
        "attach": None,
    }


def attachment(record: Record, program: Identity, limits: LogLimits) -> dict[str, Any]:
    """What a second shim reads that goes on where the first was killed."""
    return {**_keeping(record, limits), "attach": {"pid": program.pid, "start": program.start}}


def start_shim(directory: Path, spec: Mapping[str, Any]) -> int | None:
    """Start the shim of an instance and return its pid; None when one is already behind this directory."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _spawn(directory, spec, lock)
    except BlockingIOError:
        return None
    finally:
        os.close(lock)


def has_shim(directory: Path) -> bool:
    """Whether a shim runs behind this directory (it holds the lock as long as it lives)."""
    try:
        lock = os.open(directory / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


def _keeping(record: Record, limits: LogLimits) -> dict[str, Any]:
    return {
        "memory_mb": record.resources.memory_mb,
        "cgroup": record.cgroup,
        "log_bytes": limits.size,
        "log_files": limits.files,
        "boot": boot(),
    }


def _spawn(directory: Path, spec: Mapping[str, Any], lock: int) -> int:
    # The specification goes through an unnamed file: its secrets are neither in a command line nor left on disk.
    with _unnamed() as file:
        file.write(json.dumps(spec).encode())
        file.seek(0)
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(_SHIM), str(directory)],
            {"LANG": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, file.fileno(), 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(directory / "shim.err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, lock, 3),
            ],
            setsid=True,
            setsigmask=[],
        )


def _unnamed() -> Any:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("mlserve"), "w+b")
    return tempfile.TemporaryFile()
