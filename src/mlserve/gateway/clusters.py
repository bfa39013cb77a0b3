"""Clusters as Envoy resources, one JSON text each. Pure.

Endpoints are written into the cluster (STATIC): one file per cluster (EDS) costs an inotify instance each, of which a
user has 128.
"""

from __future__ import annotations

import ipaddress
import json
from functools import lru_cache
from typing import Any

from mlserve.gateway.fallback import marked
from mlserve.gateway.route_table import WHO
from mlserve.gateway.table import Cluster

_IDLE_SECONDS = 1.5
"""Shorter than any server keeps an idle connection (gunicorn 2 s, uvicorn and node 5 s, our runtime 75 s), so that
Envoy never sends a request down a connection that is being closed. Connecting again costs about 0.1 ms."""

_OUTLIERS: dict[str, Any] = {
    # Only what a dead process does counts (refused, reset); a busy one that answers 503 stays in.
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 3,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_local_origin_success_rate": 0,
    "enforcing_consecutive_5xx": 0,
    "enforcing_success_rate": 0,
    "base_ejection_time": "5s",
    "max_ejection_time": "30s",
    "max_ejection_percent": 100,
    "interval": "1s",
}

_CAP = 10000
"""A safety cap only: queues and their limits are the runtime's."""

_SPARING = {"max_connections": 64, "max_pending_requests": 64, "max_requests": 64}
"""What callers may hold of the hub at a time, however slowly they send: it has others to look after. For each
priority, so that who sends feedback keeps nobody from logging in."""


@lru_cache(maxsize=4096)
def cluster_json(cluster: Cluster) -> str:
    """The cluster as one resource of cds.json."""
    return json.dumps(_resource(cluster), separators=(",", ":"))


@lru_cache(maxsize=4)
def address_json(name: str, address: str) -> str:
    """A cluster of one address that nothing is known of, as one resource of cds.json."""
    resource = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC" if _is_ip(address) else "STRICT_DNS",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [_endpoint(address)]}]},
        "circuit_breakers": {"thresholds": [_SPARING, {**_SPARING, "priority": "HIGH"}]},
    }
    return json.dumps(resource, separators=(",", ":"))


def _resource(cluster: Cluster) -> dict[str, Any]:
    endpoints = [_endpoint(address) for address in cluster.endpoints]
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": cluster.name,
        "metadata": {"filter_metadata": {WHO[0]: {WHO[1]: cluster.served_by}}},
        "type": "STATIC" if all(_is_ip(address) for address in cluster.endpoints) else "STRICT_DNS",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        # Dead hosts get nothing while one is well; when none looks well, trying is better than refusing.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "load_assignment": {"cluster_name": cluster.name, "endpoints": [{"lb_endpoints": endpoints}]},
        "health_checks": [_health_check(cluster)],
        "outlier_detection": _OUTLIERS,
        "circuit_breakers": _breakers(cluster),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": f"{_IDLE_SECONDS}s"},
                **_protocols(cluster),
                **(marked(cluster) if cluster.falls_in_for else {}),
            }
        },
    }


def _breakers(cluster: Cluster) -> dict[str, Any]:
    waiting = cluster.concurrency if cluster.mirrors else _CAP
    most = {"max_connections": _CAP, "max_pending_requests": waiting, "max_requests": cluster.concurrency or _CAP}
    # Envoy's default is 3 retries at a time.
    budget = {"budget_percent": {"value": 50}, "min_retry_concurrency": _CAP if cluster.backed else 20}
    return {"thresholds": [{**most, "retry_budget": budget}]}


def _health_check(cluster: Cluster) -> dict[str, Any]:
    check: dict[str, Any] = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "5s",
        "unhealthy_threshold": 3,
        "healthy_threshold": 1,
    }
    if cluster.health_path is None:
        return check | {"tcp_health_check": {}}
    well = [{"start": 200, "end": 400}]
    return check | {"http_health_check": {"path": cluster.health_path, "expected_statuses": well}}


def _protocols(cluster: Cluster) -> dict[str, Any]:
    if cluster.port == "grpc":
        return {"explicit_http_config": {"http2_protocol_options": {}}}
    if not cluster.http2:
        return {"explicit_http_config": {"http_protocol_options": {}}}
    return {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}


def _endpoint(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    socket = {"address": host.strip("[]"), "port_value": int(port)}
    return {"endpoint": {"address": {"socket_address": socket}}}


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True
