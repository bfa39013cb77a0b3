"""Run a Python module in a process of its own: without the hub's secrets, and with a limit to its time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_LOOK_SECONDS = 0.25
_LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Work:
    """What to run, and where."""

    python: Path
    module: str
    arguments: Sequence[str]
    scratch: Path
    """Its home and temporary folder."""
    import_path: Path
    folder: Path
    seconds: float
    memory: int
    """Bytes of all its processes together."""


async def run(work: Work) -> str:
    """Wait for its end; empty where it went well, else what went wrong. Cancelled, it is killed."""
    output = work.scratch / "output"
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(work.python), "-m", work.module, *work.arguments,
            cwd=work.folder, env=_environment(work), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        verdict = await _watched(process, work)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    status = process.returncode or 0
    if verdict or status == 0:
        return verdict
    lines = output.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"it ended with {how}: {lines[-1] if lines else 'it said nothing'}"


async def _watched(process: asyncio.subprocess.Process, work: Work) -> str:
    """Until it ends, or has to be ended: why."""
    end = time.monotonic() + work.seconds
    ended = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({ended}, timeout=_LOOK_SECONDS))[0]:
            if time.monotonic() > end:
                return f"it took more than {work.seconds:.0f} s"
            used = _memory(process.pid)
            if used > work.memory:
                return f"it used more than {work.memory >> 20} MB of memory"
    finally:
        ended.cancel()
    return ""


def _memory(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        return sum(_resident(process) for process in (root, *root.children(recursive=True)))
    return 0


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _environment(work: Work) -> dict[str, str]:
    return {
        "PATH": f"{work.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(work.scratch),
        "TMPDIR": str(work.scratch),
        "PYTHONPATH": str(work.import_path),
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
