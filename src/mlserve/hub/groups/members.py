"""Who is in a group, and how its requests are shared. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlserve.gateway.table import Fallback, Route, Target
from mlserve.hub.groups.records import Group


@dataclass(frozen=True, slots=True)
class Member:
    """A service of a group."""

    route: Route
    """How requests to its own address are treated."""
    ready: int
    """Instances that may be sent requests."""
    fallback: str = ""
    """The service that its descriptor names for when it does not answer, and when that is."""
    fallback_on: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The service's."""
        return self.route.service

    @property
    def able(self) -> bool:
        """Whether anything of it would answer."""
        return bool(self.ready and self.route.shares and not self.route.failed)


def weights(group: Group, members: Sequence[Member]) -> Mapping[str, int]:
    """Those that somebody set; none where whoever had one has left: then those who stayed take the requests."""
    staying = [one.name for one in members if one.name not in group.standalone]
    return group.weights if any(group.weights.get(name) for name in staying) else {}


def shares(group: Group, members: Sequence[Member]) -> Mapping[str, int]:
    """Member → how much of the requests is its, beside the others; those that get none, or could answer none, are 0."""
    taking = [one for one in members if one.able and one.name not in group.standalone]
    told = weights(group, members)
    wished = {one.name: told.get(one.name, 0) if told else one.ready for one in taking}
    return {one.name: wished.get(one.name, 0) for one in members}


def percent(shared: Mapping[str, int]) -> Mapping[str, float]:
    """The same in percent of all requests."""
    together = sum(shared.values())
    return {name: round(100 * share / together, 1) if together else 0.0 for name, share in shared.items()}


def fallback(group: Group, members: Sequence[Member]) -> tuple[str, frozenset[str]]:
    """Who is asked where nobody of the group answers, and when: whom all that take its requests name; else nobody."""
    asked = [one for one in members if one.name not in group.standalone]
    names = {one.fallback for one in asked}
    if len(names) != 1 or not any(one.route.targets for one in asked):
        return "", frozenset()
    return names.pop(), frozenset.intersection(*(one.fallback_on for one in asked))


def with_fallback(found: Route, group: Group, members: Sequence[Member], own: Mapping[str, Member]) -> Route:
    """The group's route, with its fallback as far as that would answer.

    Envoy chooses either by what callers say or by who has answered: a sticky group has it once nobody is left.
    """
    name, on = fallback(group, members)
    spare, alone = own.get(name), not found.members
    if spare is None or not spare.able or (group.sticky and not alone):
        return found
    words = Fallback(spare.route.shares, on, alone=alone)
    return replace(found, apart=found.apart | spare.route.apart, fallback=words)


def route(group: Group, members: Sequence[Member]) -> Route:
    """How requests to the group are treated: held to what each of its members allows, or the longest of them."""
    shared = shares(group, members)
    targets = [
        Target(one.name, target.version, target.weight * shared[one.name])
        for one in members
        for target in one.route.shares
        if shared[one.name]
    ]
    routes = [one.route for one in members]
    rates = [one.route.rate for one in members if shared[one.name]]
    return Route(
        service=group.name,
        targets=(),
        token=group.token,
        members=tuple(sorted(targets, key=lambda target: (-target.weight, target.service, target.version))),
        pinned=tuple((one.name, one.route.shares) for one in members if one.able),
        sticky=group.sticky,
        timeout_seconds=max(one.timeout_seconds for one in routes),
        max_body=max(one.max_body for one in routes),
        retry=all(one.retry for one in routes),
        open_docs=all(one.open_docs for one in routes),
        signed=bool(targets) and all(one.route.signed for one in members if shared[one.name]),
        web=any(one.web for one in routes),
        direct="it is a service group: ask one of its members",
        rate=sum(rates) if all(rates) else 0,
        apart=frozenset[tuple[str, str]]().union(*(one.apart for one in routes)),
        origins=tuple(sorted(set(routes[0].origins).intersection(*(one.origins for one in routes)))),
    )
