"""The programs an engine and what goes with it are made of; fetched from the distribution where that is in order."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.heavy import CACHE

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
PACKAGES = {
    "bash": "bash",
    "busybox": "busybox-static",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "htpasswd": "apache2-utils",
    "ip": "iproute2",
    "iptables": "iptables",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
}
"""Debian's package for each program."""


def need(what: str, *programs: str) -> None:
    """See to it that the programs are there and we may use them; else skip the test, saying what it needs.

    Only root in a container or a bare CI machine installs: under systemd a package would start services of its own.
    """
    if os.geteuid() != 0:
        pytest.skip(f"needs {what}: only root can start it")
    with locked("apt"):
        missing = sorted({PACKAGES[name] for name in programs if not find(name)})
        if missing and (not find("apt-get") or Path("/run/systemd/system").exists()):
            pytest.skip(f"needs {what}: install {' '.join(missing)}")
        if missing:
            _install(what, missing)


def find(program: str) -> str | None:
    """Where a program is, the folders of the administrator included."""
    return shutil.which(program, path=PATH)


def program(name: str) -> str:
    """The path of a program that ``need`` has seen to."""
    path = find(name)
    assert path, f"{name} is missing although it was asked for"
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that nothing has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one of the test runs of this machine at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(what: str, packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
    wait = "-oDPkg::Lock::Timeout=300"
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", wait, *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            pytest.skip(f"needs {what}: apt-get {command[0]} failed: {''.join(last)}")
