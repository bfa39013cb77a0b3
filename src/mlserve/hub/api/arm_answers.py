"""What the management API says of arms that are compared, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from mlserve.hub.api.answers import Answer


class ArmAnswer(Answer):
    """An arm's figures. ``percent``: its share of the requests now; ``mean``: of its feedback."""

    arm: str
    percent: float
    callers: int
    requests: int
    errors: int
    p50_ms: int | None
    p95_ms: int | None
    feedback: int
    mean: float | None


class EffectAnswer(Answer):
    """An arm beside the control: ``difference`` of the means, where it is with ``confidence``, and how sure that is.

    ``why``: what is missing where there are no numbers.
    """

    arm: str
    control: str
    difference: float | None
    relative: float | None
    low: float | None
    high: float | None
    p_value: float | None
    method: Literal["newcombe", "welch"] | None
    why: str | None


class ArmsAnswer(Answer):
    """All arms of an address. ``unmatched``: values of requests that nobody knows.

    ``share_p_value``: how often chance would share the callers so; null where weights follow the instances or few
    came.
    """

    name: str
    metric: str
    metrics: list[str]
    control: str
    sticky: str | None
    arms: list[ArmAnswer]
    effects: list[EffectAnswer]
    confidence: float
    min_callers: int
    unmatched: int
    share_p_value: float | None
    warnings: list[str]


class FeedbackAnswer(Answer):
    """What was kept. ``waiting``: ids of which no request is known yet."""

    taken: int
    waiting: list[str]
