"""Routes as Envoy resources, one JSON text per service. Pure.

What a request meets, per service, first match wins: the hub's probe of one version, a WebSocket, any other request with
the right token, the page for people (which has nothing of the service in it, and asks for the token), the same with a
browser's cookie (`cookie`) in the token's place, and last the 401.

gRPC has paths of its own, so that its calls name their service in metadata (`x-mlserve-service: NAME`).

The deadline (`Route.timeout_seconds`) bounds silence, not length: an answer has to begin within it, counted from the
end of the request and over all tries together, and may then not pause longer than it. So a JSON answer, which comes in
one piece, is held to the deadline as it stands, and a stream of tokens may go on for as long as tokens come.
WebSockets and calls of gRPC that stream may be silent for an hour.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from mlserve.gateway.browser import APP, LOGIN, LOGIN_APP, PREFIX, script
from mlserve.gateway.cookie import LOGIN_HEADER, LOGIN_PATH, cookie
from mlserve.gateway.listener import body_limit
from mlserve.gateway.replies import FAILED
from mlserve.gateway.table import DEFAULT_MAX_BODY, Route

PROBE_HEADER = "x-mlserve-probe"
VERSION_HEADER = "x-mlserve-version"
SERVICE_HEADER = "x-mlserve-service"
"""The metadata of a gRPC call that names its service."""
SERVED_BY_HEADER = "x-mlserve-served-by"
LOGIN_CLUSTER = "login"
"""The hub, which answers nothing but one-time codes here."""
OVERLOADED_HEADER = "x-mlserve-overloaded"
"""Set by the runtime on a 503 of a full queue: the request has not run and may be tried elsewhere."""

_SAFE = "connect-failure,refused-stream,reset-before-request,retriable-headers"
_BUFFER_LIMIT = 32 * 1024 * 1024
"""A retry needs the whole body kept: this bounds what one request in flight may cost. Larger ones pass, but once."""
_STREAM_SILENCE = "3600s"
_ONE_ANSWER = "/inference.GRPCInferenceService/ModelInfer"
"""The call that runs a model and has one answer: it is held to the deadline as a request over HTTP is."""
_ANY_SIZE = 1 << 50
_NO_BODY = 1
"""Envoy has no smaller limit."""


@lru_cache(maxsize=4096)
def service_json(service: str, route: Route | None, versions: tuple[int, ...], probe_secret: str) -> str:
    """One entry of the route table's map: the path prefix and all routes of a service."""
    routes = [_probe(service, version, probe_secret, route) for version in versions if probe_secret]
    if route is not None:
        routes += _public(route)
    return _entry(_path(service), service, routes)


@lru_cache(maxsize=4096)
def grpc_json(route: Route) -> str:
    """One entry of the map that gRPC's calls are looked up in: all routes of a service."""
    return _entry(route.service, route.service, _calls(route))


@lru_cache(maxsize=1)
def login_json() -> str:
    """The entry of the route table's map for one-time codes, which the hub exchanges."""
    action = {
        "cluster": LOGIN_CLUSTER,
        "timeout": "10s",
        "retry_policy": {"retry_on": "connect-failure,refused-stream"},  # a code may arrive once
    }
    match = {"prefix": LOGIN_PATH, "headers": [_exact(":method", "GET")]}
    entry = _route(LOGIN_CLUSTER, match, action, ["authorization", "cookie"])
    told = {"request_headers_to_add": [{"header": {"key": LOGIN_HEADER, "value": "1"}}]}
    return _entry(LOGIN_PATH, LOGIN_CLUSTER, [entry | told | _filters(_NO_BODY)])


def routes_json(services: list[str], calls: list[str]) -> str:
    """The whole route table, from the texts of `service_json`, `login_json` and `grpc_json`.

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
        "virtual_hosts": [host],
    }
    text = json.dumps(config, separators=(",", ":"))
    return text.replace('"@services@":{}', ",".join(services)).replace('"@calls@":{}', ",".join(calls))


def _common() -> dict[str, Any]:
    """What all services share, said once: Envoy's time to take a change grows with the text."""
    served_by = {"key": SERVED_BY_HEADER, "value": "%UPSTREAM_CLUSTER%"}
    prefix = {"key": "x-forwarded-prefix", "value": f"{PREFIX}/%ROUTE_NAME%"}
    host = {"key": "x-forwarded-host", "value": "%REQ(:AUTHORITY)%"}
    overwrite = {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "request_headers_to_add": [{"header": prefix, **overwrite}, {"header": host, **overwrite}],
        "response_headers_to_add": [{"header": served_by, **overwrite}],
        "retry_policy": _retry_policy(True),
        "request_body_buffer_limit": _BUFFER_LIMIT,
    }


def _tree() -> dict[str, Any]:
    return {"input": _header(":path"), "prefix_match_map": {"map": {"@services@": {}}}}


def _calls_tree() -> dict[str, Any]:
    return {"input": _header(SERVICE_HEADER), "exact_match_map": {"map": {"@calls@": {}}}}


def _header(name: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    return {"name": "header", "typed_config": {"@type": kind, "header_name": name}}


def _entry(key: str, service: str, routes: list[dict[str, Any]]) -> str:
    kind = "type.googleapis.com/envoy.config.route.v3.RouteList"
    action = {"name": service, "typed_config": {"@type": kind, "routes": routes}}
    return f"{json.dumps(key)}:{json.dumps({'action': action}, separators=(',', ':'))}"


def _public(route: Route) -> list[dict[str, Any]]:
    targets = [(version, weight) for version, weight in route.targets if weight > 0]
    stopped = not targets or route.failed
    form = APP if route.web else ""
    if route.token is None:
        return [_stopped(route)] if stopped else [*_slash(route), *_served(route, targets, [], form)]
    token, login = [_authorization(route.token)], [_login(route.service, route.token)]
    denied = {"name": route.service, "match": _match(route.service), "direct_response": {"status": 401}}
    if stopped:
        return [_stopped(route, token), _stopped(route, login), denied]
    page = [_docs(route, targets)] if route.open_docs else []
    browser = _served(route, targets, login, LOGIN_APP if route.web else LOGIN)
    return [*_served(route, targets, token, form), *page, *_slash(route), *browser, denied]


def _served(
    route: Route, targets: list[tuple[int, int]], allowed: list[dict[str, Any]], form: str
) -> list[dict[str, Any]]:
    metrics = [_metrics(route, targets, allowed)] if any(port == "metrics" for _, port in route.apart) else []
    return [_websocket(route, targets, allowed, form), *metrics, _main(route, targets, allowed, form)]


def _slash(route: Route) -> list[dict[str, Any]]:
    """Relative links of a page lead elsewhere unless its address ends with a slash."""
    if not route.web:
        return []
    html = {"name": "accept", "string_match": {"contains": "text/html"}}
    match = {"path": _path(route.service), "headers": [_exact(":method", "GET"), html]}
    there = {"path_redirect": f"{_path(route.service)}/", "response_code": "TEMPORARY_REDIRECT"}
    return [{"name": route.service, "match": match, "redirect": there}]


def _calls(route: Route) -> list[dict[str, Any]]:
    """gRPC: paths are the protocol's and stay as they are; a stream's messages together may be of any size."""
    targets = [(version, weight) for version, weight in route.targets if weight > 0]
    allowed = [] if route.token is None else [_authorization(route.token)]
    anything: dict[str, Any] = {"prefix": "/", "grpc": {}}
    refused = [{"name": route.service, "match": anything, "direct_response": {"status": 401}}]
    matched = anything | ({"headers": allowed} if allowed else {})
    if not targets or route.failed:
        stopped = {"name": route.service, "match": matched, "direct_response": {"status": _nothing(route)}}
        return [stopped, *(refused if allowed else [])]
    action = {key: value for key, value in _action(route, targets, "grpc").items() if key != "regex_rewrite"}
    bounded = action | {"idle_timeout": _seconds(route.timeout_seconds)}
    one = _route(route.service, matched | {"path": _ONE_ANSWER}, bounded, _hidden(route))
    del one["match"]["prefix"]
    one |= _filters(route.max_body)
    many = _route(route.service, matched, action | {"idle_timeout": _STREAM_SILENCE}, _hidden(route))
    many |= _filters(_ANY_SIZE)
    return [one, many, *(refused if allowed else [])]


def _stopped(route: Route, allowed: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    said = {"status": _nothing(route)}
    return {"name": route.service, "match": _match(route.service, allowed), "direct_response": said}


def _nothing(route: Route) -> int:
    return FAILED if route.failed else 503


def _probe(service: str, version: int, secret: str, route: Route | None) -> dict[str, Any]:
    like = route or Route(service, ())
    headers = [_exact(PROBE_HEADER, secret), _exact(VERSION_HEADER, str(version))]
    action = _action(like, [(version, 1)]) | {"idle_timeout": _seconds(like.timeout_seconds)}
    hidden = ["authorization", VERSION_HEADER]
    return _route(service, _match(service, headers), action, hidden)


def _websocket(
    route: Route, targets: list[tuple[int, int]], allowed: list[dict[str, Any]], form: str
) -> dict[str, Any]:
    upgrade = {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}
    headers = [upgrade, _exact(":method", "GET"), *allowed]
    action = _action(route, targets) | {"idle_timeout": _STREAM_SILENCE}
    found = _route(route.service, _match(route.service, headers), action, _hidden(route, form))
    return found | _filters(form=form)


def _main(route: Route, targets: list[tuple[int, int]], allowed: list[dict[str, Any]], form: str) -> dict[str, Any]:
    action = _action(route, targets) | {"idle_timeout": _seconds(route.timeout_seconds)}
    found = _route(route.service, _match(route.service, allowed), action, _hidden(route, form))
    return found | _filters(route.max_body, form)


def _metrics(route: Route, targets: list[tuple[int, int]], allowed: list[dict[str, Any]]) -> dict[str, Any]:
    """What a server has to say of itself at another port."""
    match = {"path": f"{_path(route.service)}/metrics", "headers": [_exact(":method", "GET"), *allowed]}
    action = _action(route, targets, "metrics") | {"idle_timeout": _seconds(route.timeout_seconds)}
    return _route(route.service, match, action, _hidden(route))


def _docs(route: Route, targets: list[tuple[int, int]]) -> dict[str, Any]:
    """A bare GET of this very path by anybody: no body, no upgrade to another protocol, nothing beside it."""
    upgrade = {"name": "upgrade", "present_match": False}
    match = {"path": f"{_path(route.service)}/docs", "headers": [_exact(":method", "GET"), upgrade]}
    action = _action(route, targets) | {"idle_timeout": _seconds(route.timeout_seconds)}
    return _route(route.service, match, action, _hidden(route)) | _filters(_NO_BODY)


def _hidden(route: Route, form: str = "") -> list[str]:
    """The service's token is the gateway's business; where it is not asked for, Authorization is the program's own."""
    return [] if route.token is None or form in (LOGIN, LOGIN_APP) else ["authorization"]


def _route(service: str, match: dict[str, Any], action: dict[str, Any], hidden: list[str]) -> dict[str, Any]:
    route: dict[str, Any] = {"name": service, "match": match, "route": action}
    return route | ({"request_headers_to_remove": hidden} if hidden else {})


def _action(route: Route, targets: list[tuple[int, int]], port: str = "") -> dict[str, Any]:
    names = [(_cluster(route, version, port), weight) for version, weight in targets]
    weighted = {"clusters": [{"name": name, "weight": weight} for name, weight in names]}
    where = {"cluster": names[0][0]} if len(names) == 1 else {"weighted_clusters": weighted}
    # Leading slashes are one, so that no instance ever sees "//host"; what follows arrives as it was sent.
    rewrite = {"pattern": {"regex": f"^{_path(route.service)}/*"}, "substitution": "/"}
    once = {} if route.retry else {"retry_policy": _retry_policy(False)}
    return where | {"regex_rewrite": rewrite, "timeout": "0s"} | once


def _cluster(route: Route, version: int, port: str) -> str:
    return f"{route.service}/{version}" + (f"/{port}" if (version, port) in route.apart else "")


def _retry_policy(twice: bool) -> dict[str, Any]:
    previous = {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        },
    }
    return {
        "retry_on": f"{_SAFE},reset" if twice else _SAFE,
        "retriable_headers": [{"name": OVERLOADED_HEADER, "present_match": True}],
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.1s"},
        "retry_host_predicate": [previous],
        # A dead instance has the fewest requests and is picked first, again and again: until chance finds another.
        "host_selection_retry_max_attempts": 32,
    }


def _filters(max_body: int = DEFAULT_MAX_BODY, form: str = "") -> dict[str, Any]:
    """Where a route differs from what the listener does with every request."""
    found = script(form) if form else {}
    if max_body != DEFAULT_MAX_BODY:
        kind = "type.googleapis.com/envoy.extensions.filters.http.filter_chain.v3.FilterChainConfigPerRoute"
        found |= {"envoy.filters.http.filter_chain": {"@type": kind, "filter_chain": body_limit(max_body)}}
    return {"typed_per_filter_config": found} if found else {}


def _match(service: str, headers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    match: dict[str, Any] = {"path_separated_prefix": _path(service)}
    return match | ({"headers": headers} if headers else {})


def _authorization(token: str) -> dict[str, Any]:
    pattern = f"(?:(?i:bearer) +)?{re.escape(token)}"
    return {"name": "authorization", "string_match": {"safe_regex": {"regex": pattern}}}


def _login(service: str, token: str) -> dict[str, Any]:
    return {"name": "cookie", "string_match": {"contains": cookie(service, token)}}


def _exact(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "string_match": {"exact": value}}


def _path(service: str) -> str:
    return f"{PREFIX}/{service}"


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0.001):.3f}s"
