"""What a shim leaves for the hub to read, in room set aside: a full disk can't keep it from saying what happened."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mlserve.backends.local.shim.proc import start_time
from mlserve.backends.local.shim.program import Program

RESERVE = 1024


def reserve(directory: Path) -> None:
    """Set aside the room of both notes."""
    for name in ("program", "exit"):
        (directory / f"{name}.reserve").write_bytes(b" " * RESERVE)


def introduce(directory: Path, spec: dict[str, Any], program: Program) -> None:
    """Say who we are and whom we keep."""
    identity = {"pid": program.pid, "start": program.start}
    shim = {"pid": os.getpid(), "start": start_time(os.getpid())}
    write(directory, "program", {"shim": shim, "program": identity, "boot": spec["boot"]})


def write(directory: Path, name: str, data: dict[str, Any]) -> None:
    """Leave ``name.json``, whole or not at all, in space that was set aside."""
    reserve = directory / f"{name}.reserve"
    with reserve.open("r+b") as file:
        file.write(json.dumps(data).encode().ljust(RESERVE))
    reserve.rename(directory / f"{name}.json")


def describe(exc: OSError, spec: dict[str, Any]) -> dict[str, Any]:
    return {"errno": exc.errno, "error": exc.strerror, "path": exc.filename or spec["argv"][0]}
