"""What /proc says of processes; what is gone reads as nothing."""

from __future__ import annotations

import os
from pathlib import Path


def start_time(pid: int) -> int:
    """Clock ticks from boot to the start of a process; 0 when it is gone or a zombie."""
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def children(pid: int) -> list[int]:
    return [int(word) for word in text(f"/proc/{pid}/task/{pid}/children").split()]


def text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
