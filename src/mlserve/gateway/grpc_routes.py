"""gRPC's routes, one JSON text per service. Paths are the protocol's, so a call names its service in metadata. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from mlserve.gateway import tokens, vouching
from mlserve.gateway.actions import ANY_SIZE, STREAM_SILENCE, filters, forward, nothing, to_instances, unseen
from mlserve.gateway.arms import noted
from mlserve.gateway.matches import authorization
from mlserve.gateway.mirror import mirrored
from mlserve.gateway.pinning import pins, unpinned
from mlserve.gateway.retries import patience, seconds
from mlserve.gateway.route_table import entry
from mlserve.gateway.table import Route, Target

_ONE_ANSWER = "/inference.GRPCInferenceService/ModelInfer"
"""The call that runs a model and has one answer: it is held to the deadline as a request over HTTP is."""


@lru_cache(maxsize=4096)
def grpc_json(route: Route, versions: tuple[int, ...] = ()) -> str:
    """One entry of the map that gRPC's calls are looked up in: all routes of a service; ``versions``: those that run.

    A member of a group is called by its own name.
    """
    calls = _calls(replace(route, pinned=()), versions)
    return entry(route.service, route.service, vouching.vouched(route, calls))


def _calls(route: Route, versions: Sequence[int]) -> list[dict[str, Any]]:
    """Paths stay as they are; a stream's messages together may be of any size."""
    if route.token is None:
        return _allowed(route, versions, [])
    refused = {"name": route.service, "match": {"prefix": "/", "grpc": {}}, "direct_response": {"status": 401}}
    issued = tokens.checked(route, _allowed(route, versions, [tokens.header()]))
    return [*_allowed(route, versions, [authorization(route.token)]), *issued, refused]


def _allowed(route: Route, versions: Sequence[int], headers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    matched: dict[str, Any] = {"prefix": "/", "grpc": {}} | ({"headers": headers} if headers else {})
    if route.stopped:
        return [{"name": route.service, "match": matched, "direct_response": {"status": nothing(route)}}]
    itself = route.by_itself
    named = [one for header, targets in pins(route, versions) for one in _sent(itself, targets, [*headers, header])]
    missing = [] if route.members else [unpinned(route, versions, matched)]
    return [*named, *missing, *noted(route, _sent(route, route.shares, headers))]


def _sent(route: Route, targets: Sequence[Target], headers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    matched: dict[str, Any] = {"prefix": "/", "grpc": {}} | ({"headers": headers} if headers else {})
    sent = {key: value for key, value in to_instances(route, targets, "grpc").items() if key != "regex_rewrite"}
    bounded = sent | {"idle_timeout": seconds(patience(route))}
    one = forward(route.service, matched | {"path": _ONE_ANSWER}, bounded | mirrored(route, "grpc"), unseen(route))
    del one["match"]["prefix"]
    one |= filters(route.max_body)
    many = forward(route.service, matched, sent | {"idle_timeout": STREAM_SILENCE}, unseen(route))
    many |= filters(ANY_SIZE)
    return [one, many]
