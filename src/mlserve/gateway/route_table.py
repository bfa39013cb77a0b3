"""The whole route table as Envoy reads it: a map of services, and one of gRPC's. Pure."""

from __future__ import annotations

import json
from typing import Any

from mlserve.gateway.browser import PREFIX
from mlserve.gateway.headers import overwriting
from mlserve.gateway.retries import retry_policy

PROBE_HEADER = "x-mlserve-probe"
SERVICE_HEADER = "x-mlserve-service"
"""The metadata of a gRPC call that names its service."""
SERVED_BY_HEADER = "x-mlserve-served-by"
WHO = "mlserve", "served_by"
"""Where a cluster's metadata say whose instances these are, whatever its own name has beside that."""
HUB_CLUSTER = "login"
"""The hub, which answers one-time codes here and takes feedback, and nothing else."""

LONGEST_ANSWER = 1 << 20
"""Bytes that Envoy says by itself: the addresses of ten thousand instances."""
_BUFFER_LIMIT = 32 * 1024 * 1024
"""A retry needs the whole body kept: this bounds what one request in flight may cost. Larger ones pass, but once."""


def routes_json(services: list[str], calls: list[str]) -> str:
    """The whole route table, from the texts of its entries (`routes`, `grpc_routes`).

    A map of prefixes instead of a list of routes: looking a service up costs the same among ten and among a thousand.
    """
    host: dict[str, Any] = {"name": "services", "domains": ["*"], **_common()}
    if services:
        host["matcher"] = {"matcher_tree": _tree()}
    if calls:
        host["matcher"]["on_no_match"] = {"matcher": {"matcher_tree": _calls_tree()}}
    config = {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "services",
        "request_headers_to_remove": [PROBE_HEADER, SERVICE_HEADER],
        "max_direct_response_body_size_bytes": LONGEST_ANSWER,
        "virtual_hosts": [host],
    }
    text = json.dumps(config, separators=(",", ":"))
    return text.replace('"@services@":{}', ",".join(services)).replace('"@calls@":{}', ",".join(calls))


def entry(key: str, service: str, routes: list[dict[str, Any]]) -> str:
    """One entry of either map: all routes of a service, as JSON text."""
    kind = "type.googleapis.com/envoy.config.route.v3.RouteList"
    action = {"name": service, "typed_config": {"@type": kind, "routes": routes}}
    return f"{json.dumps(key)}:{json.dumps({'action': action}, separators=(',', ':'))}"


def _common() -> dict[str, Any]:
    """What all services share, said once: Envoy's time to take a change grows with the text."""
    served_by = overwriting(SERVED_BY_HEADER, f"%CLUSTER_METADATA({':'.join(WHO)})%")
    prefix = overwriting("x-forwarded-prefix", f"{PREFIX}/%ROUTE_NAME%")
    host = overwriting("x-forwarded-host", "%REQ(:AUTHORITY)%")
    return {
        "request_headers_to_add": [prefix, host],
        "response_headers_to_add": [served_by],
        "retry_policy": retry_policy(True),
        "request_body_buffer_limit": _BUFFER_LIMIT,
    }


def _tree() -> dict[str, Any]:
    return {"input": _header(":path"), "prefix_match_map": {"map": {"@services@": {}}}}


def _calls_tree() -> dict[str, Any]:
    return {"input": _header(SERVICE_HEADER), "exact_match_map": {"map": {"@calls@": {}}}}


def _header(name: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    return {"name": "header", "typed_config": {"@type": kind, "header_name": name}}
