"""Arms that are compared (A/B): which of them answered is written down for each request. Pure.

Envoy writes a JSON line a request, and the hub reads the file in its own time: so the hub is not on the request's path,
and misses nothing that was answered while it was away. What callers tell of answers later is `feedback`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlserve.gateway.filters import with_filters
from mlserve.gateway.table import Route

LOG = "arms.log"
"""The file, in the gateway's directory."""
LONGEST = 200
"""Characters of a request's id that are kept."""
FEEDBACK_HEADER = "x-mlserve-feedback"
"""By what the hub knows feedback whose token the gateway has checked."""
FEEDBACK_PATH = "/api/feedback/"
"""Where the hub takes it."""
_FILTER = "envoy.filters.http.header_to_metadata"
_KIND = "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config"
_OURS, _MARK, _CALLER = "mlserve.arms", "noted", "caller"
"""What Envoy keeps with a request that is noted, and no instance sees."""
_LINE = {
    "route": "%ROUTE_NAME%",
    "id": f"%REQ(X-REQUEST-ID):{LONGEST}%",
    "caller": f"%DYNAMIC_METADATA({_OURS}:{_CALLER})%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "status": "%RESPONSE_CODE%",
    "grpc": "%GRPC_STATUS_NUMBER%",
    "ms": "%DURATION%",
    "at": "%START_TIME(%s.%3f)%",
}


def access_log(directory: Path) -> dict[str, Any]:
    """The listener's log of the requests that a route has marked."""
    kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    form = {"json_format": _LINE}
    marked = {"filter": _OURS, "path": [{"key": _MARK}], "value": {"present_match": True}}
    return {
        "name": "arms",
        "filter": {"metadata_filter": {"matcher": marked, "match_if_key_not_found": False}},
        "typed_config": {"@type": kind, "path": str(directory / LOG), "log_format": form},
    }


def marking() -> dict[str, Any]:
    """The filter of the listener: it marks nothing where a route does not say so."""
    return {"name": _FILTER, "typed_config": {"@type": _KIND}}


def noted(route: Route, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes, whose requests are noted where several arms share them by chance."""
    if not route.feedback or len({(target.service, target.version) for target in route.shares}) < 2:
        return routes
    kind, _, name = route.sticky.partition(":")
    rules = [{"header": ":method", "on_header_present": {"metadata_namespace": _OURS, "key": _MARK}}]
    if kind:
        rules.append({kind: name, "on_header_present": {"metadata_namespace": _OURS, "key": _CALLER}})
    found = {_FILTER: {"@type": _KIND, "request_rules": rules}}
    return with_filters(routes, found)
