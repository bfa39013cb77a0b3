"""See that a processor holds all its slots long after its requests should have been answered."""

from __future__ import annotations

from enum import Enum

_UNREADY_SECONDS, _HUNG_SECONDS = 1.0, 10.0
_HUNG_DEADLINES = 3


class Health(Enum):
    """What to say of the slots."""

    GOOD = "good"
    STUCK = "stuck"
    """Nothing can be answered for now: requests are better sent elsewhere."""
    HUNG = "hung"
    """Nothing will be answered any more: only a new process helps."""


def health(stuck: float, deadline: float) -> Health:
    """``stuck``: seconds since the last of the requests in the slots should have been answered (`Queue.stuck`)."""
    if stuck > max(_HUNG_SECONDS, _HUNG_DEADLINES * deadline):
        return Health.HUNG
    return Health.STUCK if stuck > max(_UNREADY_SECONDS, deadline) else Health.GOOD
