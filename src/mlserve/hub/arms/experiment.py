"""An experiment (A/B): the arms that share an address, and the report of how each does. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.hub.arms.effect import CONFIDENCE, FEWEST, SUSPICIOUS, Moments, effect, lopsided

Durations = Sequence[tuple[int | None, int, int]]
"""``(milliseconds, requests, failed)``, the fastest first."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Who shares the requests of an address by chance."""

    name: str
    weights: Mapping[str, int]
    """Arm → how much it gets beside the others."""
    since: float
    """When it began; what was noted under its name before is another's."""
    shared_at: float | None
    """Since when the weights are as they are; None: they follow the number of instances."""
    sticky: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of it, by arm. ``balance``: callers since the weights are as they are."""

    durations: Mapping[str, Durations]
    callers: Mapping[str, int]
    moments: Mapping[str, Moments]
    metrics: Mapping[str, int]
    balance: Mapping[str, int]


def control_of(experiment: Experiment, wished: str) -> str:
    """The arm that the others are compared with: the one named, else the first; raises InvalidInput."""
    known = list(experiment.weights)
    if wished and wished not in known:
        raise InvalidInput(
            f'"{wished}" is no arm of "{experiment.name}" (arms: {", ".join(known)})', hint="--control ARM"
        )
    if len(known) < 2:
        raise InvalidInput(
            f'"{experiment.name}" has one arm only, {", ".join(known)}: there is nothing to compare',
            hint=f'"metadata": {{"group": "{experiment.name}"}} in another descriptor makes it the second one',
        )
    return wished or known[0]


def report(experiment: Experiment, found: Found, metric: str, control: str) -> dict[str, Any]:
    """Each arm, the control first, with its figures, and each other one's effect beside the control."""
    names = [control, *(name for name in experiment.weights if name != control)]
    off = lopsided(found.balance, experiment.weights) if experiment.shared_at is not None else None
    return {
        "name": experiment.name,
        "metric": metric,
        "metrics": sorted(found.metrics),
        "control": control,
        "sticky": experiment.sticky or None,
        "arms": [_arm(name, experiment, found) for name in names],
        "effects": [
            {"arm": name, "control": control, **asdict(effect(name, control, found.moments))} for name in names[1:]
        ],
        "confidence": CONFIDENCE,
        "min_callers": FEWEST,
        "unmatched": found.metrics.get(metric, 0),
        "share_p_value": off,
        "warnings": _warnings(experiment, found, metric, off),
    }


def _arm(name: str, experiment: Experiment, found: Found) -> dict[str, Any]:
    durations, moments = found.durations.get(name, ()), found.moments.get(name, Moments())
    together = sum(experiment.weights.values())
    return {
        "arm": name,
        "percent": round(100 * experiment.weights[name] / together, 1) if together else 0.0,
        "callers": found.callers.get(name, 0),
        "requests": sum(count for _, count, _ in durations),
        "errors": sum(failed for *_, failed in durations),
        "p50_ms": _quantile(durations, 0.5),
        "p95_ms": _quantile(durations, 0.95),
        "feedback": moments.n,
        "mean": moments.mean,
    }


def _quantile(durations: Durations, share: float) -> int | None:
    timed = [(ms, count) for ms, count, _ in durations if ms is not None]
    wanted = math.ceil(share * sum(count for _, count in timed))
    for ms, count in timed:
        wanted -= count
        if wanted <= 0:
            return ms
    return None


def _warnings(experiment: Experiment, found: Found, metric: str, off: float | None) -> list[str]:
    told = []
    if off is not None and off < SUSPICIOUS:
        came = ", ".join(f"{name} {found.balance.get(name, 0)}" for name in experiment.weights)
        told.append(
            f"the callers are not shared as the weights say ({came}; chance does that once in {1 / max(off, 1e-99):.2g}"
            " times): something treats the arms differently, so don't trust the effect"
        )
    if not experiment.sticky:
        told.append("callers don't stick to an arm (sticky is not set), so each request counts as a caller of its own")
    if found.metrics.get(metric):
        told.append(f"{found.metrics[metric]} values name requests that are not known (yet): they count for no arm")
    if found.metrics and metric not in found.metrics:
        told.append(f'there is no feedback of the metric "{metric}" (there is: {", ".join(sorted(found.metrics))})')
    return told
