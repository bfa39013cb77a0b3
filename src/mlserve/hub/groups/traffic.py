"""What somebody wishes of a group's traffic, checked before anything changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlserve.descriptor.release import STICKY
from mlserve.errors import Conflict, InvalidInput, NotFound
from mlserve.hub.groups.members import Member
from mlserve.hub.groups.records import Group


@dataclass(frozen=True, slots=True)
class Wish:
    """``weights``: percent by member, 100 together; ``auto``: by the number of ready instances again."""

    weights: Mapping[str, int] = field(default_factory=dict)
    auto: bool = False
    standalone: Sequence[str] = ()
    """Members that get nothing from now on."""
    join: Sequence[str] = ()
    """Members that are to be counted again."""
    sticky: str | None = None
    """``header:NAME``, ``cookie:NAME``, or "" for neither; None: as it is."""


def wished(group: Group, members: Sequence[Member], wish: Wish) -> Group:
    """The group as it is to be; raises NotFound, InvalidInput, Conflict."""
    known = {member.name: member for member in members}
    _require_members(group, known, [*wish.weights, *wish.standalone, *wish.join])
    _require_sense(wish)
    for name, weight in wish.weights.items():
        if weight and not known[name].route.shares:
            raise Conflict(
                f'"{name}" serves nothing now, so it can\'t get {weight} % of the requests',
                hint=f"mlserve describe {name} says why",
            )
    apart = {*group.standalone, *wish.standalone} - {*wish.join}
    apart -= {name for name, weight in wish.weights.items() if weight}
    if not {*known} - apart:
        raise InvalidInput(f'no member of "{group.name}" would be left to answer', hint="keep at least one of them")
    # Who is no member any more is forgotten; a weight that was set counts until the next one, or `auto`.
    weights = {} if wish.auto else wish.weights or {n: w for n, w in group.weights.items() if n in known}
    sticky = group.sticky if wish.sticky is None else wish.sticky
    return replace(group, weights=dict(weights), standalone=tuple(sorted(apart & {*known})), sticky=sticky)


def _require_members(group: Group, known: Mapping[str, Member], named: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            raise NotFound(
                f'"{name}" is no member of "{group.name}" (members: {", ".join(known)})',
                hint=f'"metadata": {{"group": "{group.name}"}} in its descriptor makes it one',
            )


def _require_sense(wish: Wish) -> None:
    together = sum(wish.weights.values())
    if wish.weights and (together != 100 or min(wish.weights.values()) < 0):
        told = ", ".join(f"{name}={weight}" for name, weight in wish.weights.items())
        raise InvalidInput(
            f"the weights add up to {together}, not 100 ({told})",
            hint="a=90 b=10, say; members that are not named get nothing",
        )
    if wish.weights and wish.auto:
        raise InvalidInput(
            "give weights, or have them follow the number of instances, not both", hint="leave out one of them"
        )
    twice = {*wish.standalone} & {*wish.join, *(name for name, weight in wish.weights.items() if weight)}
    if twice:
        raise InvalidInput(f'"{min(twice)}" can\'t both get requests and stand alone', hint="name it once")
    if wish.sticky and not STICKY.fullmatch(wish.sticky):
        raise InvalidInput(
            f'"{wish.sticky}" is nothing to stick to', hint="header:NAME or cookie:NAME, e.g. header:x-user; or none"
        )
