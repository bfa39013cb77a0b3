"""What instances wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, overload


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. ``at``: seconds since the epoch."""

    at: float
    instance: str
    text: str

    def __str__(self) -> str:
        return self.text


class Log(Sequence[LogLine]):
    """Lines in time order, shown as text."""

    def __init__(self, lines: Iterable[LogLine]) -> None:
        self._lines = list(lines)

    @overload
    def __getitem__(self, index: int) -> LogLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LogLine]: ...
    def __getitem__(self, index: int | slice) -> LogLine | Sequence[LogLine]:
        return self._lines[index]

    def __len__(self) -> int:
        return len(self._lines)

    def __str__(self) -> str:
        return "\n".join(line.text for line in self._lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def log_line(data: Mapping[str, Any]) -> LogLine:
    """A line as the hub sends it."""
    return LogLine(float(data.get("at", 0)), str(data.get("instance", "")), str(data.get("text", "")))
