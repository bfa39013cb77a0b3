"""The memory cgroup of one instance, from inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Cgroup:
    """The memory cgroup the hub made for this instance, if it could."""

    def __init__(self, spec: dict[str, Any] | None) -> None:
        self._path = Path(spec["path"]) if spec else None
        self._version = spec["version"] if spec else 0
        self._kills = self._oom_kills()

    def __bool__(self) -> bool:
        return self._path is not None

    def join(self) -> None:
        """Move the calling process in."""
        if self._path:
            (self._path / "cgroup.procs").write_text("0")

    def oom(self) -> bool:
        return self._oom_kills() > self._kills

    def peak(self) -> int:
        return self._number("memory.peak" if self._version == 2 else "memory.max_usage_in_bytes")

    def pids(self) -> list[int]:
        if not self._path:
            return []
        try:
            return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def _oom_kills(self) -> int:
        if not self._path:
            return 0
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        try:
            pairs = (line.split() for line in (self._path / name).read_text().splitlines())
            return next((int(value) for key, value in pairs if key == "oom_kill"), 0)
        except OSError:
            return 0

    def _number(self, name: str) -> int:
        try:
            return int((self._path / name).read_text()) if self._path else 0
        except (OSError, ValueError):
            return 0
