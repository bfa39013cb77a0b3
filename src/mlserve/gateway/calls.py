"""gRPC's routes, one JSON text per service. Paths are the protocol's, so a call names its service in metadata. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mlserve.gateway import tokens
from mlserve.gateway.actions import ANY_SIZE, STREAM_SILENCE, filters, forward, nothing, seconds, to_instances, unseen
from mlserve.gateway.matches import authorization
from mlserve.gateway.route_table import entry
from mlserve.gateway.table import Route

_ONE_ANSWER = "/inference.GRPCInferenceService/ModelInfer"
"""The call that runs a model and has one answer: it is held to the deadline as a request over HTTP is."""


@lru_cache(maxsize=4096)
def grpc_json(route: Route) -> str:
    """One entry of the map that gRPC's calls are looked up in: all routes of a service."""
    return entry(route.service, route.service, _calls(route))


def _calls(route: Route) -> list[dict[str, Any]]:
    """Paths stay as they are; a stream's messages together may be of any size."""
    if route.token is None:
        return _allowed(route, [])
    refused = {"name": route.service, "match": {"prefix": "/", "grpc": {}}, "direct_response": {"status": 401}}
    issued = tokens.checked(route, _allowed(route, [tokens.header()]))
    return [*_allowed(route, [authorization(route.token)]), *issued, refused]


def _allowed(route: Route, headers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    targets = [(version, weight) for version, weight in route.targets if weight > 0]
    matched: dict[str, Any] = {"prefix": "/", "grpc": {}} | ({"headers": headers} if headers else {})
    if not targets or route.failed:
        return [{"name": route.service, "match": matched, "direct_response": {"status": nothing(route)}}]
    sent = {key: value for key, value in to_instances(route, targets, "grpc").items() if key != "regex_rewrite"}
    bounded = sent | {"idle_timeout": seconds(route.timeout_seconds)}
    one = forward(route.service, matched | {"path": _ONE_ANSWER}, bounded, unseen(route))
    del one["match"]["prefix"]
    one |= filters(route.max_body)
    many = forward(route.service, matched, sent | {"idle_timeout": STREAM_SILENCE}, unseen(route))
    many |= filters(ANY_SIZE)
    return [one, many]
