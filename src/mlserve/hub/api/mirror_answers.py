"""What the management API says of a service's mirror, for its OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel

from mlserve.hub.api.comparison_answers import ComparisonAnswer


class MirrorAnswer(BaseModel):
    """Who gets copies of its requests. ``sent``, ``failed``: since the gateway started, null where it was not asked.

    ``answers``: how these differ from its own; null where nothing was compared.
    """

    to: str
    percent: int
    sent: int | None
    failed: int | None
    answers: ComparisonAnswer | None
