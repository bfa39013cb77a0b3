"""What this machine has: cores, memory, GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from mlserve.backends.capacity import Gpu, Machine
from mlserve.backends.gpus import QUERY, parsed


def look() -> Machine:
    """This machine, now."""
    total, available = memory_mb()
    return Machine(cores(), total, available, gpus())


def cores() -> float:
    """Cores that processes of this user may run on."""
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def memory_mb() -> tuple[int, int]:
    """Total memory and what is available right now; a container's own limit counts as the total."""
    found = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        found[name] = int(value.split()[0]) // 1024
    total, available = found["MemTotal"], found["MemAvailable"]
    limit, used = _container_memory_mb()
    if limit is not None and limit < total:
        return limit, min(available, limit - used)
    return total, available


def gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs of this machine; none where nvidia-smi is absent or finds no driver."""
    program = _nvidia_smi()
    if program is None:
        return ()
    query = [program, *QUERY[1:]]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (subprocess.SubprocessError, OSError):
        return ()
    return parsed(answer.stdout)


@cache
def _nvidia_smi() -> str | None:
    return shutil.which("nvidia-smi")


def _container_memory_mb() -> tuple[int | None, int]:
    pairs = (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    )
    for limit, used in pairs:
        try:
            return int(Path(limit).read_text()) // 2**20, int(Path(used).read_text()) // 2**20
        except (OSError, ValueError):
            continue
    return None, 0
