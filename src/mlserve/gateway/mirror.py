"""Copies of requests for a mirror, and its clusters: its instances once more, named after whom they hear. Pure.

So what it is sent as a mirror is counted apart from requests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlserve.gateway.table import Cluster, Route, Table, mirror_name

MIRRORED_HEADER = "x-mlserve-mirrored"
"""On a copy of a request: whose it is."""
_IN_FLIGHT = 64
"""Copies at a time; further ones are not made, so that a mirror that hangs holds little."""


def mirrors(table: Table) -> Iterator[Cluster]:
    """One for each service that has a mirror."""
    for route in table.routes:
        if route.mirror:
            for cluster in table.clusters_of((route.mirror.target,)):
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
