"""What the management API says of comparing answers, for its OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel


class DifferenceAnswer(BaseModel):
    """The first field in which two answers to one request differ; its values are cut, and hidden as `capture` does."""

    request: str
    field: str
    old: str
    new: str


class ComparisonAnswer(BaseModel):
    """How the answers to a sample of the requests differ, since it began or since the hub started.

    ``flipped``: of the different ones, how many have another label; ``unanswered``: requests that a side did not answer
    or was too busy for; ``largest``: the distance of two numbers of one field, also within the tolerance.
    """

    compared: int
    different: int
    percent: float
    flipped: int
    unanswered: int
    largest: float
    examples: list[DifferenceAnswer]
