"""From a descriptor's words to the release that they mean."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from mlserve.descriptor import Descriptor, strategy_of
from mlserve.descriptor.release import RollingStrategy
from mlserve.descriptor.releasing import STRATEGIES
from mlserve.errors import InvalidInput
from mlserve.hub.records import Service
from mlserve.hub.releases.counts import whole
from mlserve.hub.releases.records import Gates, Release, Step, Strategy

KEEP_SECONDS = 600.0
_CANARY = (Step(20, 60.0),)
_UNHEARD = (Step(0, 0.0),)
"""Where answers are compared: until enough were, so that nobody is answered by a version that answers wrongly."""
_SWITCH = (Step(100, 0.0),)
"""Of blue-green with gates: after the switch, until they are passed."""


def require_strategy(word: str) -> None:
    """Raise InvalidInput for a word that names no strategy; "" leaves it to the descriptor."""
    if word and word not in STRATEGIES:
        raise InvalidInput(f'there is no release strategy "{word}"', hint=f"choose one of {', '.join(STRATEGIES)}")


def first_to_next(
    service: Service, descriptor: Descriptor, number: int, *, count: int, strategy: str
) -> Release | None:
    """The release of a service's next version; None where nothing serves yet, so that there is nothing to move."""
    if service.serving is None:
        return None
    made = planned(descriptor, service.serving, number, count=count, old_count=service.count, strategy=strategy)
    return replace(made, started_at=time.time())


def planned(
    descriptor: Descriptor, old: int, new: int, *, count: int, old_count: int = 0, strategy: str = ""
) -> Release:
    """The release of a new version; ``strategy`` takes the place of the descriptor's own, for this time.

    What may be missing is a share of those that serve, even where there are to be more of them.
    """
    words = descriptor.release
    chosen = Strategy(strategy or strategy_of(descriptor))
    rolling = descriptor.metadata.rolling_strategy or RollingStrategy()
    surge, unavailable = (
        whole(rolling.max_surge, count, up=True),
        whole(rolling.max_unavailable, min(count, old_count or count), up=False),
    )
    limit = words.timeout if words else 600.0
    made = Release(
        chosen,
        old,
        new,
        0.0,
        gates=_gates(descriptor) if chosen is not Strategy.RECREATE else None,
        keep=_keep(descriptor, chosen, named=bool(strategy)),
        surge=surge if surge or unavailable else 1,  # a share of few instances may round to none
        unavailable=unavailable,
        fill_limit=descriptor.startup_timeout + limit,
        gate_limit=limit,
    )
    return replace(made, steps=_steps(descriptor, made))


def gap_warning(release: Release, running: int) -> list[dict[str, Any]]:
    """A rolling release may take away all that serves, where it is told that all of it may be missing."""
    if release.strategy is not Strategy.ROLLING or not running or release.unavailable < running:
        return []
    message = f"all {running} instances that serve may be missing meanwhile: requests fail until the new ones are ready"
    return [{"pointer": "/metadata/rolling_strategy/max_unavailable", "code": "gap", "message": message}]


def back(descriptor: Descriptor, old: int, new: int, *, now: float) -> Release:
    """A roll-back: all at once and without gates, to a version that has proven itself before."""
    words = descriptor.release
    limit = descriptor.startup_timeout + (words.timeout if words else 600.0)
    keep = _keep(descriptor, Strategy.BLUE_GREEN, named=False)
    return Release(Strategy.BLUE_GREEN, old, new, now, keep=keep, fill_limit=limit)


def _gates(descriptor: Descriptor) -> Gates | None:
    gates = descriptor.release.gates if descriptor.release else None
    if gates is None:
        return None
    return Gates(gates.max_error_percent, gates.max_p95_ratio, gates.min_requests, gates.max_different_percent)


def _steps(descriptor: Descriptor, made: Release) -> tuple[Step, ...]:
    unheard = _UNHEARD if made.gates and made.gates.max_different_percent is not None else ()
    if made.strategy is Strategy.CANARY:
        steps = descriptor.release.steps if descriptor.release else ()
        return unheard + (tuple(Step(step.weight, step.pause) for step in steps) or _CANARY)
    return unheard + _SWITCH if made.strategy is Strategy.BLUE_GREEN and made.gates else ()


def _keep(descriptor: Descriptor, chosen: Strategy, *, named: bool) -> float:
    words = descriptor.release
    if chosen in (Strategy.ROLLING, Strategy.RECREATE):
        return 0.0
    if words and words.keep is not None:
        return words.keep
    return KEEP_SECONDS if words or named else 0.0
