"""What a hub keeps about a release. Words only, so that the next hub carries on where this one ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Strategy(StrEnum):
    """How requests move from the old version to the new one."""

    ROLLING = "rolling"
    BLUE_GREEN = "blue_green"
    CANARY = "canary"
    RECREATE = "recreate"


class Phase(StrEnum):
    """Where a release is within its step."""

    FILLING = "filling"
    """The new version gets the instances that the step needs; requests stay where they are."""
    JUDGING = "judging"
    """The step's share of requests goes to the new version, for its time and until its gates are passed."""
    RETURNING = "returning"
    """It failed: the old version's instances come back before the new one's go."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """A share of the requests, in percent, for some seconds; ``pause`` None: until somebody promotes it.

    None of them: the new version's answers are compared before anybody gets one.
    """

    weight: int
    pause: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Gates:
    """What the new version has to keep to, step by step; None: anything goes."""

    max_error_percent: float | None = None
    max_p95_ratio: float | None = None
    """Its p95 by that of the old version."""
    min_requests: int = 20
    max_different_percent: float | None = None
    """Of its answers, how many may be others than the old version's to the same request."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the gateway has counted of one version since it started."""

    total: int = 0
    failed: int = 0
    times: tuple[int, ...] = ()
    """Requests that took no longer than each of `mlserve.gateway.stats.BOUNDS`."""
    compared: int = 0
    """Of a new version: requests that the hub had answered by the old one as well."""
    different: int = 0
    """Those of them with another answer."""


@dataclass(frozen=True, slots=True)
class Release:
    """One move of a service from a version that serves to another. Times are seconds since the epoch."""

    strategy: Strategy
    old: int
    new: int
    started_at: float
    steps: tuple[Step, ...] = ()
    gates: Gates | None = None
    keep: float = 0.0
    """Seconds that the old version's instances stay after the end."""
    surge: int = 1
    """Rolling: how many instances there may be beyond those wished."""
    unavailable: int = 0
    """Rolling: how many of those that served before may be missing."""
    fill_limit: float = 1200.0
    """Seconds a step may wait for instances, once the version is prepared."""
    gate_limit: float = 600.0
    """Seconds beyond its time that a step may wait for what its gates need to be judged."""
    at: int = 0
    """The step, counted from 0; past the last one all requests move."""
    phase: Phase = Phase.FILLING
    since: float | None = None
    """When this phase began; None: nothing of it counts yet."""
    marks: Mapping[int, Counted] = field(default_factory=dict)
    """Version → what was counted when its figures began to matter."""
    last: Mapping[int, Counted] = field(default_factory=dict)
    """The same when it ended."""
    promoted: int | None = None
    """The step that somebody let pass."""
    paused_at: float | None = None
    reason: str = ""
    """Why it failed."""
    ended_at: float | None = None

    @property
    def under_way(self) -> bool:
        """Whether it still has something to do."""
        return self.phase not in (Phase.DONE, Phase.FAILED)

    @property
    def step(self) -> Step | None:
        """The step it is at; None past the last one."""
        return self.steps[self.at] if self.at < len(self.steps) else None


@dataclass(frozen=True, slots=True)
class Kept:
    """A version that served, whose instances stay for a while: to go back to it takes no start."""

    version: int
    count: int
    until: float


def release_from(data: Mapping[str, Any] | None) -> Release | None:
    """A release as it was stored."""
    if not data:
        return None
    gates = data["gates"]
    return Release(
        **{
            **data,
            "strategy": Strategy(data["strategy"]),
            "phase": Phase(data["phase"]),
            "steps": tuple(Step(**step) for step in data["steps"]),
            "gates": Gates(**gates) if gates else None,
            "marks": _counts(data["marks"]),
            "last": _counts(data.get("last", {})),
        }
    )


def kept_from(data: Mapping[str, Any] | None) -> Kept | None:
    """A kept version as it was stored."""
    return Kept(**data) if data else None


def _counts(data: Mapping[str, Any]) -> Mapping[int, Counted]:
    return {int(number): _counted(one) for number, one in data.items()}


def _counted(data: Mapping[str, Any]) -> Counted:
    return Counted(**{**data, "times": tuple(data["times"])})
