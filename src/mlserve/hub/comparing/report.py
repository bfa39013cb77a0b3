"""What came of comparing answers, so far. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlserve.hub.comparing.answers import Answer, Comparison, Rules, shown

_EXAMPLES = 5
_LONGEST = 200
"""Characters of an id or a field that are shown."""
_OVERLOADED = (429, 503)


@dataclass(frozen=True, slots=True)
class Report:
    """``compared`` requests that both sides answered; ``largest``: the distance of two numbers of one field."""

    compared: int = 0
    different: int = 0
    flipped: int = 0
    """How many of the different answers have another label."""
    unanswered: int = 0
    """Requests that a side did not answer, or was too busy for: nothing could be compared."""
    largest: float = 0.0
    examples: Sequence[Mapping[str, str]] = ()

    @property
    def percent(self) -> float:
        """Of 100 answers, how many differ."""
        return 100.0 * self.different / self.compared if self.compared else 0.0


def comparable(old: Answer | None, new: Answer | None) -> bool:
    """Whether the pair tells anything of the new version: not where the old one erred, or either was too busy."""
    return old is not None and new is not None and old.status < 500 and not {old.status, new.status} & set(_OVERLOADED)


def with_pair(report: Report, request: str, found: Comparison, rules: Rules) -> Report:
    """The report with one more pair of answers; ``request``: the id by which its caller knows it."""
    counted = replace(report, compared=report.compared + 1, largest=max(report.largest, found.largest))
    if not found.differences:
        return counted
    first = found.differences[0]
    field = _plain(first.field) or f"({first.kind})"
    example = {"request": _plain(request), "field": field, **dict(shown(first, rules))}
    return replace(
        counted,
        different=report.different + 1,
        flipped=report.flipped + int(found.flipped),
        examples=(*report.examples, example)[:_EXAMPLES],
    )


def _plain(text: str) -> str:
    """Callers choose ids, and may have a say in names: what a terminal would obey is written out, for it is read."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[:_LONGEST])


def view(report: Report | None) -> dict[str, Any] | None:
    """As its user sees it."""
    if report is None:
        return None
    return {
        "compared": report.compared,
        "different": report.different,
        "percent": round(report.percent, 2),
        "flipped": report.flipped,
        "unanswered": report.unanswered,
        "largest": report.largest,
        "examples": [dict(one) for one in report.examples],
    }


def lines(report: Report) -> list[str]:
    """The examples, a line each."""
    return [f"request {one['request']}: {one['field']} {one['old']} → {one['new']}" for one in report.examples]
