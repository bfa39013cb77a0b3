"""Clusters that are the same instances once more, under a name that says for whom: fallbacks and mirrors. Pure.

So their answers can be marked, and what they are asked for others is counted apart from what they are asked themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlserve.gateway.table import Cluster, Route, Table, Target, mirror_name

FALLBACK_HEADER = "x-mlserve-fallback"
"""Names the service that answered in the place of the one that was asked."""
MIRRORED_HEADER = "x-mlserve-mirrored"
"""On a copy of a request: whose it is."""
_IN_FLIGHT = 64
"""Copies at a time; further ones are not made, so that a mirror that hangs holds little."""


def copies(table: Table) -> Iterator[Cluster]:
    """One for each service that has a fallback or a mirror, and each version of that."""
    for route in table.routes:
        if route.fallback:
            for cluster in _of(table, route.fallback.targets):
                yield replace(cluster, falls_in_for=route.service)
        if route.mirror:
            for cluster in _of(table, (route.mirror.target,)):
                yield replace(cluster, mirrors=route.service, concurrency=_IN_FLIGHT)


def mirrored(route: Route, port: str = "") -> dict[str, Any]:
    """What a route's action says to have copies of its requests sent to the mirror."""
    if route.mirror is None:
        return {}
    target = route.mirror.target
    at = f"/{port}" if (target.cluster, port) in route.apart else ""
    mark = {"append": {"header": {"key": MIRRORED_HEADER, "value": route.service}}}
    policy = {
        "cluster": f"{target.cluster}{at}{mirror_name(route.service)}",
        "runtime_fraction": {"default_value": {"numerator": route.mirror.percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [mark],
    }
    return {"request_mirror_policies": [policy]}


def marked(cluster: Cluster) -> dict[str, Any]:
    """The cluster's filters: its answers say that it is not the service that was asked."""
    kind = "type.googleapis.com/envoy.extensions.filters.http"
    header = {"header": {"key": FALLBACK_HEADER, "value": cluster.service}}
    mark = {"append": {**header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    marking = {"@type": f"{kind}.header_mutation.v3.HeaderMutation", "mutations": {"response_mutations": [mark]}}
    codec = {"@type": f"{kind}.upstream_codec.v3.UpstreamCodec"}
    return {
        "http_filters": [
            {"name": "envoy.filters.http.header_mutation", "typed_config": marking},
            {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
        ]
    }


def _of(table: Table, targets: tuple[Target, ...]) -> Iterator[Cluster]:
    wanted = {target.cluster for target in targets}
    return (cluster for cluster in table.clusters if f"{cluster.service}/{cluster.version}" in wanted)
