"""A table as the files that Envoy reads, and the order in which they change, so that nothing ever dangles. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mlserve.gateway.clusters import address_json, cluster_json
from mlserve.gateway.fallback import fallbacks
from mlserve.gateway.grpc_routes import grpc_json
from mlserve.gateway.limits import limits_json
from mlserve.gateway.mirror import mirrors
from mlserve.gateway.recording import recorders
from mlserve.gateway.route_table import HUB_CLUSTER, routes_json
from mlserve.gateway.routes import login_json, private_json, service_json
from mlserve.gateway.table import Access, Route, Table
from mlserve.gateway.tokens import revoked_json, services_json, signed_json
from mlserve.gateway.upstreams import upstreams_json

NOBODY = Access()
_RETRYING = 0.3
"""Longer than a request of the former routes waits for its last try, which would find an empty cluster."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A table as Envoy reads it: a text per cluster, one for all routes, one each for keys, revoked tokens, limits."""

    clusters: Mapping[str, str] = field(default_factory=dict)
    routes: str = ""
    signed: str = ""
    revoked: str = ""
    services: str = ""
    limits: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to write, by the name that `publish` knows it under, with these resources."""

    kind: str
    resources: str
    pause: float = 0.0
    """Seconds before it."""


def render(table: Table, access: Access = NOBODY) -> Rendered:
    """Pure; the texts of clusters and services that did not change are remembered."""
    clusters = {
        cluster.name: cluster_json(cluster) for cluster in (*table.clusters, *fallbacks(table), *mirrors(table))
    }
    versions: dict[str, list[int]] = {route.service: [] for route in table.routes}
    for cluster in table.clusters:
        if not cluster.port:
            versions.setdefault(cluster.service, []).append(cluster.version)
    issued = bool(access.keys)
    routes = {route.service: replace(route, issued=issued) for route in table.routes}
    services = [
        service_json(name, _followed(routes.get(name)), tuple(sorted(found)), table.probe_secret)
        for name, found in sorted(versions.items())
    ]
    running = {name: tuple(sorted(found)) for name, found in versions.items()}
    services += [
        text for name, route in sorted(routes.items()) for text in private_json(_followed(route), running[name])
    ]
    clusters |= recorders(table)
    if table.hub:
        clusters[HUB_CLUSTER] = address_json(HUB_CLUSTER, table.hub)
        services.append(login_json())
    ordered = [route for _, route in sorted(routes.items())]
    services += [
        text for one in ordered for text in upstreams_json(one.service, one.direct, one.retry, one.name_in_group)
    ]
    return Rendered(
        clusters=dict(sorted(clusters.items())),
        routes=routes_json(
            services, [grpc_json(replace(route, direct=""), running[route.service]) for route in ordered]
        ),
        signed=signed_json(access),
        revoked=revoked_json(access),
        services=services_json(access),
        limits=limits_json(ordered, access),
    )


def _followed(route: Route | None) -> Route | None:
    """Without what changes with each instance, so that the text of its routes is remembered."""
    return route and replace(route, direct="")


def steps(now: Rendered, wished: Rendered) -> list[Step]:
    """What to write, in order: what routes name before them, routes before their clusters go or empty. Pure."""
    leaving = {
        name: text
        for name, text in now.clusters.items()
        if name not in wished.clusters or (_is_empty(wished.clusters[name]) and not _is_empty(text))
    }
    first = dict(sorted({**wished.clusters, **leaving}.items()))
    plan = []
    if wished.revoked != now.revoked:
        plan.append(Step("revoked", wished.revoked))
    if wished.signed != now.signed:
        plan.append(Step("jwt", wished.signed))
    if wished.services != now.services:
        plan.append(Step("services", wished.services))
    if wished.limits != now.limits:
        plan.append(Step("limits", wished.limits))
    if first != now.clusters:
        plan.append(Step("cds", ",".join(first.values())))
    if wished.routes != now.routes:
        plan.append(Step("rds", wished.routes))
    if leaving:
        emptied = wished.routes != now.routes and any(name in wished.clusters for name in leaving)
        plan.append(Step("cds", ",".join(wished.clusters.values()), _RETRYING if emptied else 0.0))
    return plan


def _is_empty(cluster: str) -> bool:
    """Nobody answers in it any more: routes are to leave it first, since Envoy asks nobody else in its place."""
    return '"lb_endpoints":[]' in cluster
