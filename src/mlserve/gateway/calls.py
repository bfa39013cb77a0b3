"""gRPC's routes, one JSON text per service. Paths are the protocol's, so a call names its service in metadata. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

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
    targets = [(version, weight) for version, weight in route.targets if weight > 0]
    allowed = [] if route.token is None else [authorization(route.token)]
    anything: dict[str, Any] = {"prefix": "/", "grpc": {}}
    refused = [{"name": route.service, "match": anything, "direct_response": {"status": 401}}]
    matched = anything | ({"headers": allowed} if allowed else {})
    if not targets or route.failed:
        stopped = {"name": route.service, "match": matched, "direct_response": {"status": nothing(route)}}
        return [stopped, *(refused if allowed else [])]
    sent = {key: value for key, value in to_instances(route, targets, "grpc").items() if key != "regex_rewrite"}
    bounded = sent | {"idle_timeout": seconds(route.timeout_seconds)}
    one = forward(route.service, matched | {"path": _ONE_ANSWER}, bounded, unseen(route))
    del one["match"]["prefix"]
    one |= filters(route.max_body)
    many = forward(route.service, matched, sent | {"idle_timeout": STREAM_SILENCE}, unseen(route))
    many |= filters(ANY_SIZE)
    return [one, many, *(refused if allowed else [])]
