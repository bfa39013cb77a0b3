"""What the gateway should know: services and instances → its table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mlserve.backends.base import Instance, State
from mlserve.gateway.table import Cluster, Route, Table
from mlserve.gateway.vouching import BETWEEN
from mlserve.hub import direct, releasing
from mlserve.hub.fallback import with_fallback
from mlserve.hub.groups import members as group_members
from mlserve.hub.groups.members import Member
from mlserve.hub.groups.records import Group
from mlserve.hub.limits import Limits, LimitsOf
from mlserve.hub.mirror import with_mirror
from mlserve.hub.plan import Seen, Status, status
from mlserve.hub.records import Service

NOTHING = 0
"""No version: what a service that serves nothing yet, or is stopped, has for its requests."""


def table(
    sights: Iterable[Seen],
    limits: LimitsOf,
    probe_secret: str,
    hub: str = "",
    groups: Sequence[Group] = (),
    feedback: Callable[[str], str] = str,
) -> Table:
    """Clusters for every version with ready instances, one route a service and a group.

    ``hub``: who opens links for browsers, and takes feedback. ``feedback``: by what it knows that of a route.
    """
    there = [seen for seen in sights if not seen.service.deleting]
    clusters = [cluster for seen in there for cluster in _clusters(seen, limits)]
    own = {seen.service.name: _member(seen, limits) for seen in there}
    routes = [_whole(seen.service, own) for seen in there]
    found = ((group, members(group.name, there, limits)) for group in groups)
    routes += [_shared(group, its, own) for group, its in found if its]
    arms = {seen.service.name for seen in there if takes_feedback(seen.service, limits)}
    arms |= {group.name for group in groups}
    routes = [replace(one, feedback=feedback(one.service) if one.service in arms else "") for one in routes]
    secrets = {name: member.route.secret for name, member in own.items()}
    known = [replace(one, secret=_secrets(one, secrets)) for one in routes]
    return Table(clusters=tuple(clusters), routes=tuple(known), probe_secret=probe_secret, hub=hub)


def takes_feedback(service: Service, limits: LimitsOf) -> bool:
    """Whether feedback is taken of a service's versions: the one wished now, or those of its last release, say so."""
    release = service.release
    numbers = {service.target} | ({release.old, release.new} if release else set())
    return any(limits(service.name, number).feedback for number in numbers)


def _secrets(route: Route, secrets: Mapping[str, str]) -> str:
    """Those of all who may get its requests, so that another member or fallback knows the gateway from the start."""
    return BETWEEN.join(filter(None, (secrets.get(name, "") for name in sorted(route.heard_by))))


def members(group: str, sights: Iterable[Seen], limits: LimitsOf) -> Sequence[Member]:
    """The services of a group, by name; one that is tried out is in none."""
    mine = [seen for seen in sights if seen.service.trial_until is None and group_of(seen.service, limits) == group]
    found = [_member(seen, limits) for seen in mine if not seen.service.deleting]
    return sorted(found, key=lambda member: member.name)


def group_of(service: Service, limits: LimitsOf) -> str:
    """The group that a service is in, "" for none: what serves says so."""
    return limits(service.name, service.in_force).group


def published(table: Table) -> frozenset[str]:
    """The addresses that a table sends requests to."""
    return frozenset(endpoint for cluster in table.clusters for endpoint in cluster.endpoints)


def routed(table: Table) -> dict[str, int]:
    """The version that a table sends each service's requests to."""
    return {route.service: route.targets[0][0] if route.targets else NOTHING for route in table.routes}


def serving(service: Service) -> int:
    """The version that a service's requests go to, or NOTHING."""
    return NOTHING if service.stopped or service.serving is None else service.serving


def _whole(service: Service, own: Mapping[str, Member]) -> Route:
    """How requests to a service are treated, and to whom they go besides."""
    return with_mirror(with_fallback(own[service.name], service, own), service, own)


def _shared(group: Group, members: Sequence[Member], own: Mapping[str, Member]) -> Route:
    """The same of a group."""
    return group_members.with_fallback(group_members.route(group, members), group, members, own)


def _member(seen: Seen, limits: LimitsOf) -> Member:
    limit = limits(seen.service.name, seen.service.in_force)
    return Member(route_of(seen, limits), _ready(seen), limit.fallback, limit.fallback_on)


def _ready(seen: Seen) -> int:
    """Its instances that take requests."""
    served = serving(seen.service)
    versions = releasing.targets(seen, served) if served != NOTHING else ()
    return sum(len(seen.of(version, State.READY)) for version, weight in versions if weight)


def _rate(seen: Seen, limits: LimitsOf) -> int:
    """The service's own bound and that of its instances together, whichever is lower; 0: there is none."""
    limit, served = limits(seen.service.name, serving(seen.service)), serving(seen.service)
    together = limit.instance_rate * max(len(seen.of(served, State.READY)), 1)
    return min((rate for rate in (limit.rate, together) if rate), default=0)


def _clusters(seen: Seen, limits: LimitsOf) -> list[Cluster]:
    name, served = seen.service.name, serving(seen.service)
    numbers = {instance.version for instance in seen.instances if instance.state is State.READY} | {served} - {NOTHING}
    return [cluster for number in sorted(numbers) for cluster in _of_version(seen, number, limits(name, number))]


def _of_version(seen: Seen, number: int, limit: Limits) -> list[Cluster]:
    name, ready = seen.service.name, seen.of(number, State.READY)
    main = Cluster(
        service=name,
        version=number,
        endpoints=tuple(sorted(instance.address for instance in ready)),
        health_path=limit.health_path,
        http2=limit.http2,
        concurrency=limit.concurrency,
        backed=bool(limit.fallback or limit.group) or _on_trial(seen.service, number),
    )
    further = [
        replace(main, endpoints=_at(port, ready), health_path=None, http2=False, concurrency=0, port=port)
        for port in limit.ports
    ]
    return [main, *further]


def _on_trial(service: Service, number: int) -> bool:
    """The version is being released: another one answers where it errs."""
    release = releasing.under_way(service)
    return release is not None and release.new == number


def _at(port: str, ready: Iterable[Instance]) -> tuple[str, ...]:
    return tuple(sorted(one.ports[port] for one in ready if port in one.ports))


def route_of(seen: Seen, limits: LimitsOf) -> Route:
    """How requests to a service are treated, as far as that is its own business."""
    service = seen.service
    limit = limits(service.name, service.in_force)
    targets = () if serving(service) == NOTHING else releasing.targets(seen, serving(service))
    secrets = (limits(service.name, number).secret for number in _known(seen, targets))
    ports = {version: limits(service.name, version).ports for version, _ in targets}
    asked = [limits(service.name, number) for number, weight in targets if weight] or [limit]
    return Route(
        service=service.name,
        targets=targets,
        token=None if service.public else service.token,
        timeout_seconds=limit.timeout_seconds,
        max_body=limit.max_body,
        retry=all(one.retry for one in asked),
        open_docs=limit.open_docs,
        apart=frozenset((f"{service.name}/{version}", port) for version, its in ports.items() for port in its),
        web=limit.web,
        origins=limit.origins,
        failed=status(seen) is Status.FAILED,
        rate=_rate(seen, limits),
        secret=next(filter(None, secrets), ""),
        signed=direct.signed(seen, targets, limits),
        direct=direct.places(seen, targets, limits),
        group="" if service.trial_until is not None else limit.group,
        sticky=limits(service.name, service.target).sticky if len(targets) > 1 else "",
    )


def _known(seen: Seen, targets: Sequence[tuple[int, int]]) -> set[int]:
    """The versions that requests of a service may come to, soon or now."""
    ready = {one.version for one in seen.instances if one.state is State.READY}
    return ready | {seen.service.target} | {number for number, _ in targets}
