"""What the management API says of a fallback, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class FallbackAnswer(BaseModel):
    """Who answers in its place, and when; ``answered``: how often since the gateway started, null where not asked."""

    service: str
    on: list[Literal["down", "overload", "error", "timeout"]]
    answered: int | None
