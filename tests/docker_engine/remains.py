"""What an engine leaves on the machine when it has been killed, and how to be rid of it; nobody else's is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from tests.docker_engine.network import Network
from tests.waiting import until

PREFIX = "mlserve-engine"
CGROUPS = Path("/sys/fs/cgroup")


def folder_of(network: Network) -> Path:
    """Where the engine with this network lives while this process does: the name says of whom it is."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}-{network.number}-{os.getpid()}"


def sweep() -> None:
    """Clear engines whose test run was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        _, number, owner = folder.name.removeprefix("mlserve-").split("-")
        if not psutil.pid_exists(int(owner)):
            clear(folder, Network(int(number)))


def clear(folder: Path, network: Network) -> None:
    """End every process, mount, bridge, cgroup and file of an engine."""
    until(lambda: not _kill(folder, network), f"the end of what runs in {folder}")
    for point in reversed(_mounts(folder)):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    network.close()
    for cgroup in _cgroups(network):
        with suppress(OSError):  # a process in it may still be on its way out: an empty group costs nothing
            cgroup.rmdir()
    shutil.rmtree(folder)


def _kill(folder: Path, network: Network) -> bool:
    """Kill dockerd, containerd, the shims and what runs in containers; whether there was any."""
    any_left = False
    for process in psutil.process_iter():
        if process.pid != os.getpid() and _belongs(process, folder, network):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            any_left = True
    return any_left


def _belongs(process: psutil.Process, folder: Path, network: Network) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        groups = Path(f"/proc/{process.pid}/cgroup").read_text()
        words = process.cmdline()
    except (psutil.Error, OSError):
        return False
    if f":/{network.bridge}/" in groups:
        return True
    ours = Path(words[0]).name.startswith(("dockerd", "docker-proxy", "containerd")) if words else False
    return ours and any(str(folder) in word or word == network.bridge for word in words)


def _mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if point.startswith(f"{folder}/")]


def _cgroups(network: Network) -> list[Path]:
    """The engine's cgroups, inner ones first."""
    tops = [CGROUPS / network.bridge, *CGROUPS.glob(f"*/{network.bridge}")]
    found = [Path(root) for top in tops for root, _, _ in os.walk(top)]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)
