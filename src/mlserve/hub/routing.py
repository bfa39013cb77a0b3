"""What the gateway should know: services and instances → its table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlserve.backends.base import State
from mlserve.gateway.table import Cluster, Route, Table
from mlserve.hub.plan import Seen
from mlserve.hub.records import Service

NOTHING = 0
"""The version of a cluster without endpoints: what a service that serves nothing yet, or is stopped, routes to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a version's descriptor says about its requests."""

    timeout_seconds: float = 60.0
    max_body: int = 64 * 1024 * 1024
    retry: bool = True
    health_path: str | None = None


def table(sights: Iterable[Seen], limits: Callable[[str, int], Limits], probe_secret: str) -> Table:
    """Clusters for every version with ready instances, one route a service."""
    clusters: list[Cluster] = []
    routes: list[Route] = []
    for seen in sights:
        if not seen.service.deleting:
            clusters += _clusters(seen, limits)
            routes.append(_route(seen.service, limits))
    return Table(clusters=tuple(clusters), routes=tuple(routes), probe_secret=probe_secret)


def published(table: Table) -> frozenset[str]:
    """The addresses that a table sends requests to."""
    return frozenset(endpoint for cluster in table.clusters for endpoint in cluster.endpoints)


def serving(service: Service) -> int:
    """The version that a service's requests go to, or NOTHING."""
    return NOTHING if service.stopped or service.serving is None else service.serving


def _clusters(seen: Seen, limits: Callable[[str, int], Limits]) -> list[Cluster]:
    name, served = seen.service.name, serving(seen.service)
    numbers = {instance.version for instance in seen.instances if instance.state is State.READY} | {served}
    return [
        Cluster(
            service=name,
            version=number,
            endpoints=tuple(sorted(instance.address for instance in seen.of(number, State.READY))),
            health_path=limits(name, number).health_path if number != NOTHING else None,
        )
        for number in sorted(numbers)
    ]


def _route(service: Service, limits: Callable[[str, int], Limits]) -> Route:
    limit = limits(service.name, service.serving or service.target)
    return Route(
        service=service.name,
        targets=((serving(service), 100),),
        token=None if service.public else service.token,
        timeout_seconds=limit.timeout_seconds,
        max_body=limit.max_body,
        retry=limit.retry,
    )
