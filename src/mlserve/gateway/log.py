"""Envoy's own log: where it stands, what was added since, its last lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_LARGE = 5 * 1024 * 1024


class Log:
    """One file, moved aside at a start once it is large."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def position(self) -> int:
        """Where the next line will be written."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, position: int) -> list[str]:
        """The lines after a position, without the configurations that Envoy prints among them: these hold tokens."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(position)
            lines = file.read(256 * 1024).decode(errors="replace").splitlines()
        return list(_without_dumps(lines))

    def tail(self, count: int = 20) -> list[str]:
        """The last lines."""
        return self.since(max(0, self.position() - 16 * 1024))[-count:]

    def rotate(self) -> None:
        """Keep one former file."""
        if self.position() > _LARGE:
            self.path.rename(self.path.with_suffix(".log.1"))


def _without_dumps(lines: Iterable[str]) -> Iterator[str]:
    dumped = False
    for line in lines:
        if line.startswith(("[", ": ")):
            dumped = "debugproto" in line
            yield line
        elif not dumped:
            yield line
