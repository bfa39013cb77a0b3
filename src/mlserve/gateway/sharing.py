"""Which cluster a request goes to where there are several, and who is asked after one that did not take it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlserve.gateway.matches import path
from mlserve.gateway.table import Route, Target, fallback_name

_KIND = "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier"
_REQUEST = "x-request-id"
"""Envoy makes one for each request."""
Weighted = list[tuple[str, int]]
"""Names of clusters, each with its weight."""


def destination(route: Route, targets: Sequence[Target], port: str = "") -> dict[str, Any]:
    """The part of a route's action that names clusters; ``port``: at their further port of that name."""
    names = [(_cluster(route, target, port), target.weight) for target in targets]
    spare = route.fallback.targets if route.fallback else ()
    others = [(_cluster(route, target, port) + fallback_name(route.service), target.weight) for target in spare]
    if len(names) + len(others) == 1:
        return {"cluster": (names or others)[0][0]}
    second = [(names[1][0], 1)] if route.members and len(names) > 1 else []
    if not names:
        return _by_chance(others, others)
    if not route.sticky:
        return _by_chance(names, names, second, others)
    # In the same order whatever the weights are: when these change, as few callers as can be are moved.
    fixed = sorted(targets, key=lambda target: (target.service, target.version))
    shared = [(_cluster(route, target, port), target.weight) for target in fixed]
    return _by_chance(shared, names, second, others, sticky=route.sticky)


def remembered(route: Route, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes, of which a caller without the cookie gets one: the id of its first request, which chose for it."""
    kind, _, name = route.sticky.partition(":")
    if kind != "cookie":
        return routes
    has_it = {"name": "cookie", "string_match": {"safe_regex": {"regex": f"(?:.*; *)?{name}=.*"}}}
    known = [{**one, "match": one["match"] | {"headers": [*one["match"].get("headers", []), has_it]}} for one in routes]
    value = f"{name}=%REQ({_REQUEST})%; Path={path(route.at)}; HttpOnly; SameSite=Lax"
    given = [{"header": {"key": "set-cookie", "value": value}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}]
    return [*known, *({**one, "response_headers_to_add": given} for one in routes)]


def alone(route: Route, targets: Sequence[Target]) -> bool:
    """Whether nobody else could be asked again."""
    return len(targets) + len(route.fallback.targets if route.fallback else ()) == 1


def _by_chance(shared: Weighted, again: Weighted, *others: Weighted, sticky: str = "") -> dict[str, Any]:
    """By weight at first; a request that an instance has not taken is tried again with the first of ``again``.

    So a new version's only instance may die in a canary, and nobody who asks is told. Then it is the turn of
    ``others``: of a group's second member, so that any one may die, and of the fallback. ``sticky``: chance is the same
    for whoever says the same.
    """
    groups = [_group("shared", shared), _group("again", [(again[0][0], 1)])]
    groups += [_group(f"others {number}", one) for number, one in enumerate(others) if one]
    config: dict[str, Any] = {"@type": f"type.googleapis.com/{_KIND}", "priority_groups": groups}
    name = "envoy.router.cluster_specifier_plugin.priority_group"
    if sticky:
        config["use_hash_policy"] = True
    found = {"inline_cluster_specifier_plugin": {"extension": {"name": name, "typed_config": config}}}
    return found | (_same(sticky) if sticky else {})


def _group(name: str, clusters: Weighted) -> dict[str, Any]:
    return {"name": name, "clusters": [{"cluster_name": cluster, "weight": weight} for cluster, weight in clusters]}


def _same(sticky: str) -> dict[str, Any]:
    """What chance is made of; a caller without the cookie or header is told apart by the request's own id."""
    kind, _, name = sticky.partition(":")
    said: dict[str, Any] = {kind: {"header_name": name} if kind == "header" else {"name": name}}
    return {"hash_policy": [{**said, "terminal": True}, {"header": {"header_name": _REQUEST}}]}


def _cluster(route: Route, target: Target, port: str) -> str:
    return target.cluster + (f"/{port}" if (target.cluster, port) in route.apart else "")
