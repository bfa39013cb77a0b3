"""What was measured while things were killed and changed: the rows of the README's table."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.load import Failed, Load

HEAD = "| while | requests | failed | p99 before | p99 during | longest gap |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One trouble under load. Milliseconds."""

    what: str
    sent: int
    failed: int
    before: float
    during: float
    gap: float

    def __str__(self) -> str:
        times = " | ".join(f"{one:.0f} ms" for one in (self.before, self.during, self.gap))
        return f"| {self.what} | {self.sent} | {self.failed} | {times} |"


@dataclass
class Table:
    """The rows of a run, in the order of its tests."""

    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, load: Load) -> Failed:
        """Note what became of a load; the requests of it that failed."""
        failed = load.failed()
        times = load.p99_ms(before=True), load.p99_ms(before=False), load.longest_gap() * 1000
        self.rows.append(Row(what, len(load.answers), len(failed), *times))
        return failed

    def __str__(self) -> str:
        return "\n".join([HEAD, *map(str, self.rows)]) + "\n"
