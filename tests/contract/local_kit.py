"""A local backend of a test, and what it runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.contract.test_backends import until
from tests.waiting import eventually

from mlserve.backends.base import Instance
from mlserve.backends.local.backend import LocalBackend


@asynccontextmanager
async def opened(home: Path, **more: Any) -> AsyncIterator[LocalBackend]:
    """A backend that is let go with all it runs gone."""
    backend = LocalBackend(home, **more)
    try:
        yield backend
    finally:
        await backend.remove("iris")
        await until(backend, lambda found: not found)
        await backend.close()
        assert running(home) == []


def running(home: Path) -> list[str]:
    """Whatever still runs for a home: programs by their environment, shims by their command."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(f"{home}/instances" in word for word in words):
            found.append(" ".join(process.cmdline()))
    return found


def shim_of(instance: Instance) -> int:
    assert instance.pid
    return psutil.Process(instance.pid).ppid()


async def ended(process: psutil.Process) -> None:
    """Wait until a child of this test has ended; it is not collected."""
    await eventually(lambda: process.status() == psutil.STATUS_ZOMBIE, "its end")
