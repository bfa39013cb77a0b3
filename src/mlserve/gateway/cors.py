"""Which pages of other origins may ask a service from a browser, and read the answer (CORS). Pure.

A page brings a token in Authorization as any other caller does: cookies of the gateway never come along.
"""

from __future__ import annotations

import re
from typing import Any

from mlserve.gateway.filters import with_filters
from mlserve.gateway.matches import everything, exact
from mlserve.gateway.table import Route

_FILTER = "envoy.filters.http.cors"
_KIND = "type.googleapis.com/envoy.extensions.filters.http.cors.v3"
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_SENT = (
    "authorization, content-type, accept, accept-encoding, inference-header-content-length, x-mlserve-version, "
    "x-request-id"
)
_READ = (
    "x-mlserve-served-by, x-mlserve-fallback, retry-after, www-authenticate, inference-header-content-length, "
    "x-request-id"
)
_REMEMBERED = "600"
"""Seconds for which a browser does not ask whether it may ask."""


def cors_filter() -> dict[str, Any]:
    """The filter of the listener: it does nothing where a route names no origins."""
    return {"name": _FILTER, "typed_config": {"@type": f"{_KIND}.Cors"}}


def question(route: Route, action: dict[str, Any]) -> list[dict[str, Any]]:
    """The route of a browser's question whether a page may ask, which has no token and gets no further than the filter.

    Only the question of a page that may is one: another would pass the filter and reach an instance by ``action``.
    """
    if not route.origins:
        return []
    whose = {"safe_regex": {"regex": "|".join(_pattern(origin) for origin in route.origins)}}
    headers = [
        exact(":method", "OPTIONS"),
        {"name": "origin", "string_match": whose},
        {"name": "access-control-request-method", "string_match": {"safe_regex": {"regex": "[A-Za-z]+"}}},
    ]
    return [{"name": route.service, "match": everything(route.service, headers), "route": action}]


def readable(route: Route, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes, which say whose pages may read their answers."""
    if not route.origins:
        return routes
    policy = {
        "@type": f"{_KIND}.CorsPolicy",
        "allow_origin_string_match": [{"safe_regex": {"regex": _pattern(one)}} for one in route.origins],
        "allow_methods": _METHODS,
        "allow_headers": _SENT,
        "expose_headers": _READ,
        "max_age": _REMEMBERED,
    }
    return with_filters(routes, {_FILTER: policy})


def _pattern(origin: str) -> str:
    """``*`` is any origin, ``https://*.example.com`` any host below that one."""
    if origin == "*":
        return ".+"
    return re.escape(origin).replace(r"\*", "[A-Za-z0-9-]+(?:[.][A-Za-z0-9-]+)*")
