"""What a program says about its own start: the JSON lines of MLSERVE_REPORT, read as they grow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Phase = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """Phases in order of their beginning, the failure if it told one, and facts such as thread counts."""

    phases: Mapping[str, Phase] = field(default_factory=dict)
    failure: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    ready_at: float | None = None
    """When the program said it was ready to be asked."""

    def with_lines(self, lines: Iterable[str]) -> Report:
        """The same report, some lines later. Lines that are no JSON objects are passed over."""
        report = self
        for line in lines:
            entry = _parse(line)
            if isinstance(entry, dict):
                report = report._with(entry)
        return report

    def _with(self, entry: dict[str, Any]) -> Report:
        if isinstance(entry.get("failure"), dict):
            return Report(self.phases, entry["failure"], self.facts, self.ready_at)
        if isinstance(entry.get("facts"), dict):
            return Report(self.phases, self.failure, {**self.facts, **entry["facts"]}, self.ready_at)
        if entry.get("phase") == "ready":
            return Report(self.phases, self.failure, self.facts, _number(entry.get("at")))
        if isinstance(entry.get("phase"), str):
            return Report(_advance(self.phases, entry), self.failure, self.facts, self.ready_at)
        return self


class ReportFile:
    """Reads what was added to a report since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.report = Report()

    def refresh(self) -> bool:
        """Look again; true when there was something new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(2**20)
        except FileNotFoundError:
            return False
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        if whole:
            self.report = self.report.with_lines(whole.decode(errors="replace").splitlines())
        return bool(whole)


def phases(
    report: Report, started_at: float, ready_at: float | None, ended_at: float | None, *, tells: bool = False
) -> tuple[Phase, ...]:
    """The phases of a run: those that the program told, then our own probing; what ran when it died has failed.

    ``tells``: it is a program that reports, so that until its first word nothing is said of probing.
    """
    told = dict(report.phases)
    asked_at = report.ready_at or (None if told or tells else started_at)
    if asked_at or ready_at:
        told = dict(_advance(told, {"phase": "probe", "at": asked_at or ready_at}))
    if ready_at:
        told = dict(_advance(told, {"phase": "probe", "state": "done", "at": ready_at}))
    return tuple(_broken_off(phase) if ended_at else phase for phase in told.values())


def _broken_off(phase: Phase) -> Phase:
    return {**phase, "state": "failed"} if phase["state"] == "running" else phase


def _advance(phases: Mapping[str, Phase], entry: Mapping[str, Any]) -> Mapping[str, Phase]:
    name, at = str(entry["phase"]), _number(entry.get("at"))
    begun = _number(phases[name]["at"]) if name in phases else at
    phase = {
        "phase": name,
        "state": str(entry.get("state", "running")),
        "at": begun,
        "seconds": round(max(at - begun, 0.0), 3),
    }
    return {**phases, name: phase}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _parse(line: str) -> Any:
    try:
        return json.loads(line, parse_constant=lambda _: None)  # NaN is no JSON, and a hub answers JSON
    except ValueError:
        return None
