"""Routes as Envoy resources, one JSON text per service. Pure.

What a request meets, per service, first match wins: the hub's probe of one version, a WebSocket, any other request with
the right token, the same with one that the hub issued (`tokens`), a signed one, which the instance checks (`vouching`),
the page for people (which has nothing of the service in it, and asks for the token), the same with a browser's cookie
(`cookie`) in the token's place, and last the 401.

The deadline (`Route.timeout_seconds`) bounds silence, not length: an answer has to begin within it, counted from the
end of the request and over all tries together, and may then not pause longer than it. So a JSON answer, which comes in
one piece, is held to the deadline as it stands, and a stream of tokens may go on for as long as tokens come.
WebSockets and calls of gRPC that stream may be silent for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from mlserve.gateway import tokens, vouching
from mlserve.gateway.actions import NO_BODY, STREAM_SILENCE, filters, forward, nothing, to_instances, unseen
from mlserve.gateway.arms import noted
from mlserve.gateway.browser import APP, LOGIN, LOGIN_APP
from mlserve.gateway.cookie import LOGIN_HEADER, LOGIN_PATH
from mlserve.gateway.cors import question, readable
from mlserve.gateway.feedback import feedback
from mlserve.gateway.matches import authorization, everything, exact, logged_in, path
from mlserve.gateway.mirror import mirrored
from mlserve.gateway.pinning import VERSION_HEADER, pins, private, unpinned
from mlserve.gateway.recording import copied
from mlserve.gateway.retries import patience, seconds
from mlserve.gateway.route_table import HUB_CLUSTER, PROBE_HEADER, entry
from mlserve.gateway.sharing import remembered
from mlserve.gateway.table import Route, Target


@lru_cache(maxsize=4096)
def service_json(service: str, route: Route | None, versions: tuple[int, ...], probe_secret: str) -> str:
    """One entry of the route table's map: the path prefix and all routes of a service."""
    routes = [_probe(service, version, probe_secret, route) for version in versions if probe_secret]
    if route is not None:
        routes += readable(route, [*_question(route), *_public(route, versions)])
        routes = [*readable(route, feedback(route)), *vouching.vouched(route, routes)]
    return entry(path(service), service, routes)


@lru_cache(maxsize=4096)
def private_json(route: Route, versions: tuple[int, ...]) -> tuple[str, ...]:
    """An entry for each version that has an address of its own."""
    return tuple(entry(path(one.at), one.at, _private(one)) for one in private(route, versions))


def _private(route: Route) -> list[dict[str, Any]]:
    return vouching.vouched(route, readable(route, _public(route, ())))


@lru_cache(maxsize=1)
def login_json() -> str:
    """The entry of the route table's map for one-time codes, which the hub exchanges."""
    action = {
        "cluster": HUB_CLUSTER,
        "priority": "HIGH",
        "timeout": "10s",
        "retry_policy": {"retry_on": "connect-failure,refused-stream"},  # a code may arrive once
    }
    match = {"prefix": LOGIN_PATH, "headers": [exact(":method", "GET")]}
    exchange = forward(HUB_CLUSTER, match, action, ["authorization", "cookie"])
    told = {"request_headers_to_add": [{"header": {"key": LOGIN_HEADER, "value": "1"}}]}
    return entry(LOGIN_PATH, HUB_CLUSTER, [exchange | told | filters(NO_BODY)])


def _public(route: Route, versions: Sequence[int]) -> list[dict[str, Any]]:
    stopped = route.stopped
    form = APP if route.web else ""
    if route.token is None:
        return [_stopped(route)] if stopped else [*_slash(route), *_served(route, versions, [], form)]
    token, login = [authorization(route.token)], [logged_in(route.service, route.token)]
    denied = {"name": route.at, "match": everything(route.at), "direct_response": {"status": 401}}
    if stopped:
        issued = tokens.checked(route, [_stopped(route, [tokens.header()])])
        signed = [_stopped(route, [vouching.header()])] if route.signed else []
        return [_stopped(route, token), *issued, *signed, _stopped(route, login), denied]
    issued = tokens.checked(route, _served(route, versions, [tokens.header()], form))
    signed = _signed(route, form) if route.signed else []
    page = [_docs(route)] if route.open_docs else []
    browser = _served(route, versions, login, LOGIN_APP if route.web else LOGIN)
    return [*_served(route, versions, token, form), *issued, *signed, *page, *_slash(route), *browser, denied]


def _signed(route: Route, form: str) -> list[dict[str, Any]]:
    """To the service itself alone, or the group's members: no other one could check what was signed for it."""
    itself = route.by_itself
    if itself.stopped:
        return [_stopped(itself, [vouching.header()])]
    sent = vouching.unchecked(_main(itself, itself.shares, [vouching.header()], form))
    return remembered(itself, noted(itself, [sent]))


def _question(route: Route) -> list[dict[str, Any]]:
    uncounted = replace(route, rate=0, issued=False)
    return [] if route.stopped else question(route, to_instances(uncounted, route.shares))


def _served(route: Route, versions: Sequence[int], allowed: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    itself = route.by_itself
    named = [
        one for header, targets in pins(route, versions) for one in _sent(itself, targets, [*allowed, header], form)
    ]
    missing = [] if route.address else [unpinned(route, versions, everything(route.at, allowed))]
    return [*named, *missing, *remembered(route, noted(route, _sent(route, route.shares, allowed, form)))]


def _sent(route: Route, targets: Sequence[Target], allowed: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    metrics = [_metrics(route, targets, allowed)] if any(port == "metrics" for _, port in route.apart) else []
    return [_websocket(route, targets, allowed, form), *metrics, _main(route, targets, allowed, form)]


def _slash(route: Route) -> list[dict[str, Any]]:
    """Relative links of a page lead elsewhere unless its address ends with a slash."""
    if not route.web:
        return []
    html = {"name": "accept", "string_match": {"contains": "text/html"}}
    match = {"path": path(route.at), "headers": [exact(":method", "GET"), html]}
    there = {"path_redirect": f"{path(route.at)}/", "response_code": "TEMPORARY_REDIRECT"}
    return [{"name": route.at, "match": match, "redirect": there}]


def _stopped(route: Route, allowed: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    said = {"status": nothing(route)}
    return {"name": route.at, "match": everything(route.at, allowed), "direct_response": said}


def _probe(service: str, version: int, secret: str, route: Route | None) -> dict[str, Any]:
    # The hub's own questions are not counted, and no other service answers them.
    like = replace(route or Route(service, ()), rate=0, issued=False, fallback=None)
    headers = [exact(PROBE_HEADER, secret), exact(VERSION_HEADER, str(version))]
    action = to_instances(like, [Target(service, version)]) | {"idle_timeout": seconds(like.timeout_seconds)}
    hidden = ["authorization", VERSION_HEADER]
    return forward(service, everything(service, headers), action, hidden)


def _websocket(route: Route, targets: Sequence[Target], allowed: list[dict[str, Any]], form: str) -> dict[str, Any]:
    upgrade = {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}
    headers = [upgrade, exact(":method", "GET"), *allowed]
    action = to_instances(route, targets) | {"idle_timeout": STREAM_SILENCE}
    found = forward(route.at, everything(route.at, headers), action, unseen(route, form))
    return found | filters(form=form)


def _main(route: Route, targets: Sequence[Target], allowed: list[dict[str, Any]], form: str) -> dict[str, Any]:
    action = to_instances(route, targets) | {"idle_timeout": seconds(patience(route))} | copied(route, mirrored(route))
    found = forward(route.at, everything(route.at, allowed), action, unseen(route, form))
    return found | filters(route.max_body, form)


def _metrics(route: Route, targets: Sequence[Target], allowed: list[dict[str, Any]]) -> dict[str, Any]:
    """What a server has to say of itself at another port."""
    match = {"path": f"{path(route.at)}/metrics", "headers": [exact(":method", "GET"), *allowed]}
    action = to_instances(route, targets, "metrics") | {"idle_timeout": seconds(patience(route))}
    return forward(route.at, match, action, unseen(route))


def _docs(route: Route) -> dict[str, Any]:
    """A bare GET of this very path by anybody: no body, no upgrade to another protocol, nothing beside it."""
    upgrade = {"name": "upgrade", "present_match": False}
    match = {"path": f"{path(route.at)}/docs", "headers": [exact(":method", "GET"), upgrade]}
    action = to_instances(route, route.shares) | {"idle_timeout": seconds(patience(route))}
    return forward(route.at, match, action, unseen(route)) | filters(NO_BODY)
