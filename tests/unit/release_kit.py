"""A release, and what the gateway says of it, in a word each."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from mlserve.hub.releases.records import Counted, Release, Strategy, release_from
from mlserve.hub.releases.step import Measured

BOUNDS = (1.0, 10.0, 100.0, 1000.0)
LIMIT = 50.0


def release(strategy: Strategy = Strategy.CANARY, **changes: object) -> Release:
    made = Release(strategy, 1, 2, 0.0, fill_limit=LIMIT, gate_limit=LIMIT)
    return replace(made, **changes)  # type: ignore[arg-type]


def counted(total: int, failed: int = 0, slow: int = 0) -> Counted:
    """``slow`` requests took up to a second, the others up to 10 ms."""
    return Counted(total, failed, (0, total - slow, total - slow, total))


def measured(old: Counted, new: Counted) -> Measured:
    return Measured({1: old, 2: new}, BOUNDS)


def through_a_crash(made: Release) -> Release:
    """As the next hub reads it."""
    found = release_from(json.loads(json.dumps(asdict(made))))
    assert found == made
    return found
