"""Whose answers are compared: those of a release's two versions, those of a service and of its mirror. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlserve.backends.base import State
from mlserve.gateway.table import Route, Table
from mlserve.hub import releasing
from mlserve.hub.limits import LimitsOf
from mlserve.hub.records import Service
from mlserve.hub.releases.records import Phase, Release
from mlserve.hub.seen import Seen

RELEASE, MIRROR = "release", "mirror"


@dataclass(frozen=True, slots=True)
class Side:
    """A version of a service, and where it can be asked."""

    service: str
    version: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions that are asked the same. ``what``: RELEASE or MIRROR; ``which`` of these: each is counted apart."""

    what: str
    which: str
    old: Side
    new: Side

    @property
    def at(self) -> str:
        """How copies name what they are for."""
        return f"{self.old.service}/{self.what}"


def pairs(seen: Seen, sights: Mapping[str, Seen], limits: LimitsOf) -> list[Pair]:
    """What is to be compared for a service now: nothing where a request must not run again, or nobody can be asked."""
    found = [*_of_release(seen), *_of_mirror(seen, sights)]
    ready = [one for one in found if one.old.addresses and one.new.addresses]
    return [one for one in ready if all(limits(side.service, side.version).retry for side in (one.old, one.new))]


def with_copies(table: Table, sights: Iterable[Seen], limits: LimitsOf, recorder: str) -> Table:
    """The table, where the hub gets copies of what it compares; also of requests that come by way of a group."""
    there = {seen.service.name: seen for seen in sights if not seen.service.deleting}
    found = {name: [one.what for one in pairs(seen, there, limits)] for name, seen in there.items()} if recorder else {}
    routes = tuple(_copied(route, tuple(_compared(route, found))) for route in table.routes)
    return replace(table, routes=routes, recorder=recorder if any(found.values()) else "")


def release_of(release: Release) -> str:
    """By which a release is known from the next one."""
    return f"{release.old}→{release.new} {release.started_at}"


def mirror_of(service: Service) -> str:
    """By which a mirror is known from the next one; empty where there is none."""
    return service.mirror.to if service.mirror else ""


def _of_release(seen: Seen) -> Iterator[Pair]:
    """Only a version that has proven itself is asked; one whose release is about to fail no more."""
    release = releasing.under_way(seen.service)
    if release is None or release.gates is None or release.gates.max_different_percent is None:
        return
    new = seen.versions.get(release.new)
    if new is None or not new.served or new.failure is not None or release.phase is Phase.RETURNING:
        return
    yield Pair(RELEASE, release_of(release), _side(seen, release.old), _side(seen, release.new))


def _of_mirror(seen: Seen, sights: Mapping[str, Seen]) -> Iterator[Pair]:
    other = sights.get(mirror_of(seen.service))
    if other is None or seen.service.serving is None or other.service.serving is None:
        return
    yield Pair(MIRROR, other.service.name, _side(seen, seen.service.serving), _side(other, other.service.serving))


def _side(seen: Seen, number: int) -> Side:
    there = () if seen.service.stopped else tuple(one.address for one in seen.of(number, State.READY))
    return Side(seen.service.name, number, there)


def _copied(route: Route, compared: tuple[str, ...]) -> Route:
    """What is for the mirror alone is no larger a share than that is sent itself."""
    alone = route.mirror is not None and compared == (f"{route.service}/{MIRROR}",)
    percent = route.mirror.percent if alone and route.mirror else 100
    return replace(route, compared=compared, compared_percent=percent)


def _compared(route: Route, found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """``SERVICE/WHAT``; a mirror hears nothing of what comes by way of a group, and would not let it in either."""
    if not (route.members or route.pinned):
        yield from (f"{route.service}/{what}" for what in found.get(route.service, ()))
        return
    for name in sorted({target.service for target in route.members}):
        yield from (f"{name}/{what}" for what in found.get(name, ()) if what == RELEASE)
