"""Copies of some requests for the hub, which asks two versions the same and compares what they answer. Pure.

They go to a socket of the hub, a few at a time: whatever comes while these are on their way is not copied. The hub
answers a copy when it is done with it, so it sets the pace, and one that is busy, gone or hanging gets nothing more;
who asks waits for none of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlserve.gateway.admin import admin_socket
from mlserve.gateway.headers import overwriting
from mlserve.gateway.table import Route, Table

COMPARED_HEADER = "x-mlserve-compared"
"""On a copy: what is compared with it, with commas between."""
_IN_FLIGHT = 4


def recorder_socket(directory: Path) -> Path:
    """Where the hub takes the copies of a gateway directory: beside Envoy's admin socket, as private as that is."""
    return admin_socket(directory).with_name("copies.sock")


def copied(route: Route, action: Mapping[str, Any]) -> dict[str, Any]:
    """The same action, with copies for the hub beside those for a mirror."""
    if not route.compared:
        return dict(action)
    mark = {"append": overwriting(COMPARED_HEADER, ",".join(route.compared))}
    policy = {
        "cluster": _name(route.service),
        "runtime_fraction": {"default_value": {"numerator": route.compared_percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [mark],
    }
    return {**action, "request_mirror_policies": [*action.get("request_mirror_policies", ()), policy]}


def recorders(table: Table) -> dict[str, str]:
    """A cluster for each route whose requests are copied to the hub, by name: none takes the place of another's."""
    if not table.recorder:
        return {}
    names = [_name(route.service) for route in table.routes if route.compared]
    return {name: _cluster_json(name, table.recorder) for name in names}


def _name(service: str) -> str:
    return f"~compared~{service}"


@lru_cache(maxsize=4096)
def _cluster_json(name: str, socket: str) -> str:
    most = {"max_connections": _IN_FLIGHT, "max_pending_requests": _IN_FLIGHT, "max_requests": _IN_FLIGHT}
    endpoint = {"endpoint": {"address": {"pipe": {"path": socket}}}}
    resource = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [most]},
    }
    return json.dumps(resource, separators=(",", ":"))
