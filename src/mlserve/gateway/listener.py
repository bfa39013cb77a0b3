"""The listener and Envoy's own start file. Pure. Constant while Envoy runs: all that is per service is in cds and rds.

(A change of the listener would cut long streams.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlserve.gateway import times, tokens
from mlserve.gateway.arms import access_log, marking
from mlserve.gateway.browser import browser_filter
from mlserve.gateway.cors import cors_filter
from mlserve.gateway.limits import limits_filter
from mlserve.gateway.replies import local_replies
from mlserve.gateway.table import DEFAULT_MAX_BODY
from mlserve.gateway.tls import transport

HTTP_STATS = "mlserve"
ROUTES = "services"

_STATS = (
    r"^(cluster_manager|listener_manager|server|extension_config_discovery|sds|http\.mlserve\.(rds|downstream_(rq|cx)_active)).*"
    r"|^cluster\.[^.]+\.(membership_(healthy|total)|upstream_cx_(total|active)"
    r"|upstream_rq_(active|total|completed|[1-5]xx|retry|timeout|pending_overflow|time)"
    r"|retry\.upstream_rq_(completed|5xx|503))$"
)
"""The rest of Envoy's hundred numbers per cluster is not kept: that saves memory and makes each question cheap."""


def listener(host: str, port: int, directory: Path, *, tls: bool = False) -> dict[str, Any]:
    """The one resource of lds.json."""
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": _connection_manager(directory),
    }
    spoken = {"transport_socket": transport(_file(directory / "sds.json"))} if tls else {}
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "gateway",
        "address": {"socket_address": {"address": host, "port_value": port}},
        # With port sharing, a second Envoy would silently take half of the requests; without, it can't start.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager], **spoken}],
    }


def _connection_manager(directory: Path) -> dict[str, Any]:
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = _filter("router", "router.v3.Router", suppress_envoy_headers=True)
    default_limit = body_limit(DEFAULT_MAX_BODY)
    issued = tokens.filters(*(_file(directory / f"{name}.json") for name in ("jwt", "revoked", "services")))
    asked = [cors_filter(), marking(), browser_filter(), *issued, limits_filter(_file(directory / "limits.json"))]
    return {
        "@type": f"type.googleapis.com/{kind}",
        "stat_prefix": HTTP_STATS,
        "codec_type": "AUTO",
        "rds": {"route_config_name": ROUTES, "config_source": _file(directory / "rds.json")},
        "http_filters": [
            *asked,
            _filter("filter_chain", "filter_chain.v3.FilterChainConfig", default_filter_chain=default_limit),
            router,
        ],
        # A WebSocket's bytes are not one body: they pass without the limit.
        "upgrade_configs": [{"upgrade_type": "websocket", "filters": [*asked, router]}],
        "local_reply_config": local_replies(),
        "access_log": [access_log(directory)],
        # By its id a request is known later on; who asks may bring one along.
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "use_remote_address": True,
        # "..", "%2e%2e" and the like are resolved before a service is chosen. %2F stays as it is: the prefix is
        # compared as sent, so an encoded slash can't leave a service, and the instance gets its sub path unchanged.
        "normalize_path": True,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "server_header_transformation": "PASS_THROUGH",
        "request_headers_timeout": "30s",
        "stream_idle_timeout": "300s",
        "common_http_protocol_options": {"idle_timeout": "600s"},
        "http2_protocol_options": {"max_concurrent_streams": 1000},
    }


def body_limit(limit: int) -> dict[str, Any]:
    """The filters that answer 413 to a larger body: the listener's own, replaced by a route that says otherwise."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
    return {"filters": [{"name": "body", "typed_config": {"@type": kind, "max_request_bytes": limit}}]}


def bootstrap(directory: Path, admin: Path, max_connections: int) -> dict[str, Any]:
    """boot.json."""
    monitor = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "node": {"id": "mlserve", "cluster": "mlserve"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "stats_flush_interval": "1s",  # as old as the times may be that releases are judged by
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": _STATS}}]}},
            "histogram_bucket_settings": times.settings(),
        },
        "dynamic_resources": {
            "lds_config": _file(directory / "lds.json"),
            "cds_config": _file(directory / "cds.json"),
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"type.googleapis.com/{monitor}",
                        "max_active_downstream_connections": max_connections,
                    },
                }
            ]
        },
    }


def _filter(name: str, kind: str, **options: Any) -> dict[str, Any]:
    config = {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{kind}", **options}
    return {"name": f"envoy.filters.http.{name}", "typed_config": config}


def _file(path: Path) -> dict[str, Any]:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}
