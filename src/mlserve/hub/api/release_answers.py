"""What the management API says of releases, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from mlserve.hub.api.comparison_answers import ComparisonAnswer


class StepAnswer(BaseModel):
    """A share of the requests in percent, for some seconds; ``pause`` null: until promoted."""

    weight: int
    pause: float | None


class GatesAnswer(BaseModel):
    """What the new version has to keep to."""

    max_error_percent: float | None
    max_p95_ratio: float | None
    max_different_percent: float | None
    min_requests: int


class SideAnswer(BaseModel):
    """One of the two versions, with its figures of this step or the last one; null: it was not counted."""

    version: int
    role: Literal["old", "new"]
    weight: int
    requests: int | None
    errors: int | None
    p95_ms: float | None


class ReleaseAnswer(BaseModel):
    """One move from a version to another; ``gate``: what its gates still wait for; ``reason``: why it failed.

    ``target_weight``: the new version's share, in percent, once what is under way now is there; 100 past the last step.
    ``answers``: how those of the new version differ, all steps together; null where nothing was compared.
    """

    strategy: Literal["rolling", "blue_green", "canary", "recreate"]
    state: Literal["filling", "judging", "waiting", "paused", "returning", "done", "failed"]
    step: int | None
    steps: list[StepAnswer]
    target_weight: int
    gates: GatesAnswer | None
    keep: float
    versions: list[SideAnswer]
    answers: ComparisonAnswer | None
    gate: str | None
    reason: str | None
    started_at: str
    since: str | None
    ended_at: str | None


class KeptVersion(BaseModel):
    """The version whose instances stay for an instant roll-back."""

    version: int
    instances: int
    until: str


class ReleaseStatusAnswer(BaseModel):
    """A service's newest release."""

    name: str
    status: str
    version: int
    release: ReleaseAnswer
    kept: KeptVersion | None
