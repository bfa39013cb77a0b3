"""What a route does with its requests: to which cluster, under which path, tried how often, held to what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlserve.gateway.browser import LOGIN, LOGIN_APP, script
from mlserve.gateway.limits import counted
from mlserve.gateway.listener import body_limit
from mlserve.gateway.matches import path
from mlserve.gateway.replies import FAILED
from mlserve.gateway.retries import each_try, retry_policy, tries_of
from mlserve.gateway.sharing import alone, destination
from mlserve.gateway.table import DEFAULT_MAX_BODY, Route, Target

STREAM_SILENCE = "3600s"
NO_BODY = 1
"""Envoy has no smaller limit."""
ANY_SIZE = 1 << 50


def forward(service: str, match: dict[str, Any], action: dict[str, Any], removed: list[str]) -> dict[str, Any]:
    """A whole route that sends requests on; ``removed``: headers that the instance does not see."""
    route: dict[str, Any] = {"name": service, "match": match, "route": action}
    return route | ({"request_headers_to_remove": removed} if removed else {})


def to_instances(route: Route, targets: Sequence[Target], port: str = "") -> dict[str, Any]:
    """To the instances of these versions, by weight; ``port``: at their further port of that name."""
    where = destination(route, targets, port)
    # Leading slashes are one, so that no instance ever sees "//host"; what follows arrives as it was sent.
    rewrite = {"pattern": {"regex": f"^{path(route.at)}/*"}, "substitution": "/"}
    one = alone(route, targets)
    released = not one and not route.members
    policy = retry_policy(route.retry, route.fallback, proven=released, tries=tries_of(route)) | each_try(route)
    once = {} if route.retry and one else {"retry_policy": policy | ({} if one else {"refresh_cluster_on_retry": True})}
    return where | {"regex_rewrite": rewrite, "timeout": "0s"} | once | counted(route)


def unseen(route: Route, form: str = "") -> list[str]:
    """Headers an instance does not see: the token is the gateway's business, unless the service is public.

    Where a cookie is asked for instead, Authorization is the program's own.
    """
    return [] if route.token is None or form in (LOGIN, LOGIN_APP) else ["authorization"]


def filters(max_body: int = DEFAULT_MAX_BODY, form: str = "") -> dict[str, Any]:
    """Where a route differs from what the listener does with every request."""
    found = script(form) if form else {}
    if max_body != DEFAULT_MAX_BODY:
        kind = "type.googleapis.com/envoy.extensions.filters.http.filter_chain.v3.FilterChainConfigPerRoute"
        found |= {"envoy.filters.http.filter_chain": {"@type": kind, "filter_chain": body_limit(max_body)}}
    return {"typed_per_filter_config": found} if found else {}


def nothing(route: Route) -> int:
    """The status for a service of which nothing runs."""
    return FAILED if route.failed else 503
