"""Which instances of a service may be asked without the gateway, and how often each of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mlserve.backends.base import Instance, State
from mlserve.hub.limits import LimitsOf
from mlserve.hub.seen import Seen

FULL = 100
"""The weight of an instance, where all are asked alike."""
CHECKS = "checks_tokens"
"""The fact by which an instance says that it does; those that an older hub started don't."""

UNCHECKED = 'its instances check no tokens, and it is not "public": true'
LIMITED = "only the gateway can keep to its gateway_policy or rpc.rate_limit"
"""Why nobody is told where instances are."""

Targets = Sequence[tuple[int, int]]
"""``(version, weight)``."""


def places(seen: Seen, targets: Targets, limits: LimitsOf) -> tuple[tuple[str, int], ...] | str:
    """``(address, weight)`` of those that check tokens, or of all where none is needed; or why nobody is told."""
    name, public = seen.service.name, seen.service.public
    asked = [limits(name, number) for number, weight in targets if weight] or [limits(name, seen.service.target)]
    if any(one.limited for one in asked):
        return LIMITED
    if not public and not all(one.secret if targets else one.checks for one in asked):
        return UNCHECKED
    shares = {number: (weight, _ready(seen, number)) for number, weight in targets if weight}
    each = {number: weight / len(ready) for number, (weight, ready) in shares.items() if ready}
    most = max(each.values(), default=1.0)
    found = [
        (one.address, max(round(FULL * share / most), 1))
        for number, share in each.items()
        for one in shares[number][1]
        if public or one.facts.get(CHECKS)
    ]
    return tuple(sorted(found))


def signed(seen: Seen, targets: Targets, limits: LimitsOf) -> bool:
    """Whether signed requests may pass the gateway unchecked: each instance that they may come to checks them."""
    if seen.service.public:
        return False
    numbers = [number for number, weight in targets if weight] or [seen.service.target]
    if not all(limits(seen.service.name, number).secret for number in numbers):
        return False
    return all(one.facts.get(CHECKS) for number in numbers for one in _ready(seen, number))


def _ready(seen: Seen, number: int) -> list[Instance]:
    return seen.of(number, State.READY)
