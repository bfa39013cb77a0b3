"""What the management API says of service groups, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from mlserve.hub.api.answers import Answer
from mlserve.hub.api.fallback_answers import FallbackAnswer


class MemberAnswer(Answer):
    """A service of a group. ``weight``: as it was set; ``percent``: what it really gets of the requests now."""

    service: str
    version: int
    status: str
    ready: int
    weight: int | None
    percent: float
    standalone: bool
    endpoint: str


class GroupAnswer(Answer):
    """Services under one address. ``mode``: weights by ready instances (``auto``), or as they were set."""

    name: str
    endpoint: str
    token: str
    mode: Literal["auto", "set"]
    sticky: str | None
    fallback: FallbackAnswer | None
    created_at: str
    members: list[MemberAnswer]


class GroupsAnswer(Answer):
    """All groups."""

    groups: list[GroupAnswer]
