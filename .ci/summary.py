"""The last words of a whole check, short enough to be read alone: its sessions, what failed, was skipped, took long.

    python .ci/summary.py FOLDER

The folder has ``nox.json`` (nox's report), ``log`` (all that was printed) and pytest's reports, NAME-1.xml and so on.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

WHOLE, FAILURES, SKIPS = 6000, 3000, 800
"""Characters: of all, of that the part about failures, and the one about skips."""
ERROR, NAME, REASON = 300, 130, 200
"""Characters of one of each."""
SLOWEST = 15
LAST_LINES = 12
"""Of a session that failed without a failed test."""


@dataclass(frozen=True)
class Test:
    """One test of a report; ``outcome`` is passed, failed or skipped, ``said`` is why."""

    name: str
    seconds: float
    outcome: str
    said: str = ""


@dataclass(frozen=True)
class Session:
    """One session of nox; without tests it is no session of pytest, or one that was ended before its report."""

    name: str
    result: str
    seconds: float
    tests: tuple[Test, ...]
    last_lines: str = ""

    @property
    def failed(self) -> bool:
        return self.result != "success"


def main(folder: Path) -> None:
    print(summary(list(sessions(folder))))


def summary(ran: list[Session]) -> str:
    tests = [test for session in ran for test in session.tests]
    parts = [
        ["==== the whole check ====", *map(line_of, ran)],
        bounded([*lost(ran), *failures(tests)], FAILURES),
        bounded(skips(tests), SKIPS),
        slowest(tests),
    ]
    return "\n".join(line for part in parts for line in part)[:WHOLE]


def sessions(folder: Path) -> Iterator[Session]:
    log = folder / "log"
    said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    for ran in json.loads((folder / "nox.json").read_text(encoding="utf-8"))["sessions"]:
        name = str(ran["name"])
        yield Session(name, str(ran["result"]), float(ran["duration"] or 0), tests_of(folder, name), tail(said, name))


def tests_of(folder: Path, session: str) -> tuple[Test, ...]:
    files = sorted(folder.glob(f"{session}-*.xml"))
    return tuple(test_of(case) for file in files for case in ElementTree.parse(file).iter("testcase"))


def test_of(case: ElementTree.Element) -> Test:
    name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
    seconds = float(case.get("time") or 0)
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            outcome = "skipped" if kind == "skipped" else "failed"
            return Test(name, seconds, outcome, f"{found.get('message') or ''}{place(found.text or '')}")
    return Test(name, seconds, "passed")


def place(trace: str) -> str:
    """The lines of the tests that it came through."""
    lines = re.findall(r"^(tests/\S+?\.py:\d+)", trace, re.MULTILINE)
    return f" [{' '.join(lines[-2:])}]" if lines else ""


def tail(log: str, session: str) -> str:
    """The last that a session printed."""
    _, _, section = log.rpartition(f"nox > Running session {session}\n")
    lines = section.partition("nox > Running session ")[0].splitlines()
    return "\n".join(cut(line, NAME) for line in lines[-LAST_LINES:])


def line_of(session: Session) -> str:
    result = "ok    " if not session.failed else "FAILED"
    counts = Counter(test.outcome for test in session.tests)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
    return f"{session.name:8} {result} {session.seconds:6.0f} s  {told if session.tests else ''}".rstrip()


def lost(ran: list[Session]) -> Iterator[str]:
    """Sessions that failed otherwise than by a test: a linter, an installation, a crash of pytest."""
    for session in ran:
        if session.failed and not any(test.outcome == "failed" for test in session.tests):
            yield f"---- {session.name} failed, and no test of it; it ended with:\n{session.last_lines}"


def failures(tests: list[Test]) -> Iterator[str]:
    for test in tests:
        if test.outcome == "failed":
            yield f"---- FAILED {cut(test.name, NAME)}\n     {kept(test.said, ERROR)}"


def skips(tests: list[Test]) -> Iterator[str]:
    for reason, count in Counter(test.said for test in tests if test.outcome == "skipped").most_common():
        yield f"---- {count} skipped: {cut(reason, REASON)}"


def slowest(tests: list[Test]) -> list[str]:
    found = sorted(tests, key=lambda test: -test.seconds)[:SLOWEST]
    return ["---- slowest", *(f"{test.seconds:6.1f} s  {cut(test.name, NAME)}" for test in found)] if found else []


def bounded(entries: Iterator[str] | list[str], most: int) -> list[str]:
    """As many as fit, then how many more there are."""
    told: list[str] = []
    entries = list(entries)
    for entry in entries:
        if sum(map(len, told)) + len(entry) > most:
            first_lines = ", ".join(left.splitlines()[0].removeprefix("---- ") for left in entries[len(told) :])
            return [*told, f"---- {len(entries) - len(told)} more: {cut(first_lines, most // 4)}"]
        told.append(entry)
    return told


def cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def kept(text: str, most: int) -> str:
    """Its beginning and its end: what was wrong, and where."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 81]}… {line[-79:]}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
