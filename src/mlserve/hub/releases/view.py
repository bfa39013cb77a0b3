"""A release as its user sees it. Pure."""

from __future__ import annotations

from typing import Any

from mlserve.gateway.times import BOUNDS
from mlserve.hub.comparing.report import view as answers
from mlserve.hub.moments import moment
from mlserve.hub.releases.gates import Figures, figures
from mlserve.hub.releases.records import Kept, Phase, Release
from mlserve.hub.releases.step import Measured, judgement


def release(one: Release, measured: Measured, weights: tuple[tuple[int, int], ...], now: float) -> dict[str, Any]:
    """Its plan, where it is, and what is known of both versions in this step."""
    shares = dict(weights)
    judged = one.under_way and one.gates is not None and one.phase is not Phase.RETURNING
    return {
        "strategy": str(one.strategy),
        "state": state(one),
        "step": min(one.at + 1, len(one.steps)) if one.steps else None,
        "steps": [{"weight": step.weight, "pause": step.pause} for step in one.steps],
        "target_weight": _target(one),
        "gates": _gates(one),
        "keep": one.keep,
        "versions": [
            {
                "version": number,
                "role": role,
                "weight": shares.get(number, 0),
                **_shown(_figures(one, measured, number)),
            }
            for number, role in ((one.old, "old"), (one.new, "new"))
        ],
        "answers": answers(measured.answers),
        "gate": judgement(one, measured, now).why or None if judged else None,
        "reason": one.reason or None,
        "started_at": _moment(one.started_at),
        "since": _moment(one.since),
        "ended_at": _moment(one.ended_at),
    }


def kept(one: Kept | None) -> dict[str, Any] | None:
    """The version that a roll-back reaches at once."""
    return {"version": one.version, "instances": one.count, "until": _moment(one.until)} if one else None


def state(one: Release) -> str:
    """The one word for where it is."""
    if not one.under_way:
        return str(one.phase)
    if one.paused_at is not None:
        return "paused"
    waits = one.phase is Phase.JUDGING and one.step is not None and one.step.pause is None
    return "waiting" if waits and one.promoted != one.at else str(one.phase)


def _target(one: Release) -> int:
    """The new version's share, in percent, once what is under way now is there."""
    if one.phase in (Phase.RETURNING, Phase.FAILED):
        return 0
    return one.step.weight if one.step else 100


def _gates(one: Release) -> dict[str, Any] | None:
    gates = one.gates
    if gates is None:
        return None
    return {
        "max_error_percent": gates.max_error_percent,
        "max_p95_ratio": gates.max_p95_ratio,
        "max_different_percent": gates.max_different_percent,
        "min_requests": gates.min_requests,
    }


def _figures(one: Release, measured: Measured, number: int) -> Figures | None:
    """What a version did in the step, or the last one; None where nothing was counted."""
    now = measured.of(number) if one.under_way and measured.counted is not None else one.last.get(number)
    if now is None or number not in one.marks:
        return None
    return figures(now, one.marks[number], BOUNDS)


def _shown(found: Figures | None) -> dict[str, Any]:
    if found is None:
        return {"requests": None, "errors": None, "p95_ms": None}
    # What the hub itself asked is timed, too: without a caller's request there is nothing to tell.
    p95 = None if found.p95_ms is None or not found.requests else round(found.p95_ms, 1)
    return {"requests": found.requests, "errors": found.errors, "p95_ms": p95}


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)
