"""Environments by content key under ``home/environments``: found again, built once, cleared away."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mlserve.environments.build import Plan, Progress, build
from mlserve.environments.current import satisfied
from mlserve.environments.indexes import pip_configuration
from mlserve.environments.key import Interpreter, key, normalized
from mlserve.environments.wheels import Wheel, offered, wheel_folders

_NOTE = "mlserve-environment.json"
_LOCK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python interpreter that has what was required."""

    python: Path
    key: str
    """``current`` for the hub's own interpreter."""
    requirements_resolved: tuple[str, ...]
    reused: bool
    local: tuple[str, ...] = ()
    """What was taken from a wheel folder: ``torch 2.13.0+cpu from /opt/wheels``."""


async def ensure(
    requirements: Sequence[str],
    *,
    home: Path,
    python: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    gpu: bool = False,
) -> Environment:
    """An environment that has ``requirements``: the current interpreter, a cached one, or a new one.

    What lies in a wheel folder is taken from there, unless that is for the CPU alone and a GPU is wanted.
    Several may ask for the same one at once: it is built once. Raises EnvironmentFailed, which says what is missing.
    """
    wanted = normalized(requirements)
    ours = python in (None, sys.executable)
    if ours and (found := satisfied(wanted)) is not None:
        return Environment(Path(sys.executable), "current", found, reused=True)
    interpreter = Interpreter(python or sys.executable)
    wheels = offered(wheel_folders(os.environ, pip_configuration()), gpu=gpu) if ours else ()
    name = key([*wanted, *(f"prefer {wheel.pin}" for wheel in wheels)], interpreter)
    root = _root(home)
    if ready := _find(root / name):
        return ready
    async with _locked(root / f".{name}.lock") as lock:
        if ready := _find(root / name):  # somebody else built it meanwhile
            return ready
        plan = Plan(wanted, interpreter.python, offline, lock, tuple(wheel.pin for wheel in wheels))
        return await _make(plan, wheels, root / name, progress or (lambda line: None))


def prune(home: Path, *, in_use: Container[str], unused_seconds: float, now: float | None = None) -> tuple[str, ...]:
    """Remove the environments that are neither ``in_use`` nor were asked for in that time; returns their keys."""
    removed = []
    for note in _root(home).glob(f"*/{_NOTE}"):
        directory = note.parent
        if directory.name not in in_use and (now or time.time()) - note.stat().st_mtime > unused_seconds:
            note.unlink()  # from here on nobody takes it for complete
            shutil.rmtree(directory, ignore_errors=True)
            removed.append(directory.name)
    return tuple(removed)


def _root(home: Path) -> Path:
    return home.absolute() / "environments"


def _find(directory: Path) -> Environment | None:
    python = directory / "bin" / "python"
    try:
        note = json.loads((directory / _NOTE).read_text())
    except (OSError, ValueError):
        return None
    if not python.exists():  # the Python it was made with is gone
        return None
    os.utime(directory / _NOTE)
    return Environment(python, directory.name, tuple(note["resolved"]), reused=True, local=tuple(note.get("local", ())))


async def _make(plan: Plan, wheels: Sequence[Wheel], directory: Path, progress: Progress) -> Environment:
    beside = directory.with_name(f".{directory.name}.building")
    resolved = await build(plan, beside, progress)
    local = tuple(str(wheel) for wheel in wheels if wheel.pin in resolved)
    note = {"requirements": plan.requirements, "resolved": resolved, "python": plan.python, "built_at": time.time()}
    note["local"] = local
    (beside / _NOTE).write_text(json.dumps(note))
    shutil.rmtree(directory, ignore_errors=True)
    beside.rename(directory)
    return Environment(directory / "bin" / "python", directory.name, resolved, reused=False, local=local)


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[int]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try_lock(descriptor):  # noqa: ASYNC110 - the other one may be another process
            await asyncio.sleep(_LOCK_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
