"""What the management API says of events, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from mlserve.hub.api.answers import Answer


class EventAnswer(Answer):
    """Something that was done or refused; ``who``: ``hub``, or the id of a token."""

    at: str
    who: str
    what: str
    label: str
    address: str
    detail: str
    outcome: Literal["done", "refused"]
    times: int


class EventsAnswer(Answer):
    """Events, newest first."""

    events: list[EventAnswer]
