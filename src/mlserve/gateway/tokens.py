"""Tokens that the hub issued (JWTs) as Envoy reads them: whose signature counts, which are revoked, what opens. Pure.

Keys, revoked tokens and what tokens open are files of their own (ECDS): a change is in force within milliseconds and
touches neither a route nor a connection. A route for such tokens says which service it is of, and no more.
"""

from __future__ import annotations

import json
from typing import Any

from mlserve.gateway.filters import with_filters
from mlserve.gateway.table import Access, Route

SIGNED, REVOKED, SERVICES = "jwt", "revoked", "services"
"""The filters, in their order: the signature and the dates, the token itself, the service."""
AUDIENCE = "evaluate"
"""What a token has to be for, to open a service."""
CLAIM = "services"
"""The names of the services that it opens; ``fraud*`` stands for all that begin so."""

FORM = r"(?:(?i:bearer) +)?eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"
"""How a JWT looks where a service's own token may stand, too."""

_JWT = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3"
_RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3"
_NEED, _OURS = "issued", "mlserve"
_CLOCKS_APART = 1
"""Seconds; Envoy's own choice would let a token live a minute longer than it says."""
_REMEMBERED = 1000
"""Tokens whose signature is not calculated again at each request."""
_ANY: dict[str, Any] = {"permissions": [{"any": True}]}


def signed_json(access: Access) -> str:
    """The filter that checks signatures, as the resource of a file."""
    config: dict[str, Any] = {"@type": f"{_JWT}.JwtAuthentication"}
    if access.keys:
        # Bare, as EAS's clients send it, or after "Bearer".
        ways = {"bearer": {"value_prefix": " "}, "bare": {}}
        config["providers"] = {name: _provider(access, way) for name, way in ways.items()}
        any_of = {"requirements": [{"provider_name": name} for name in reversed(ways)]}
        config["requirement_map"] = {_NEED: {"requires_any": any_of}}
    return _resource(SIGNED, config)


def revoked_json(access: Access) -> str:
    """The filter that refuses revoked tokens, as the resource of a file."""
    config: dict[str, Any] = {"@type": f"{_RBAC}.RBAC"}
    if access.revoked:
        one_of = [_claim("jti", {"string_match": {"exact": token}}) for token in sorted(access.revoked)]
        config["rules"] = {"action": "DENY", "policies": {REVOKED: _ANY | {"principals": one_of}}}
    return _resource(REVOKED, config)


def services_json(access: Access) -> str:
    """The filter that compares the services of a token with that of the route, as the resource of a file."""
    config: dict[str, Any] = {"@type": f"{_RBAC}.RBAC"}
    if access.keys:
        elsewhere = {"permissions": [{"not_rule": _route_of({"present_match": True})}], "principals": [{"any": True}]}
        policies = {name: _policy(name) for name in sorted(access.services)}
        config["rules"] = {"action": "ALLOW", "policies": policies | {" without a token of the hub": elsewhere}}
    return _resource(SERVICES, config)


def filters(signed: dict[str, Any], revoked: dict[str, Any], services: dict[str, Any]) -> list[dict[str, Any]]:
    """The listener's filters; the arguments say where their files are."""
    return [
        _discovered(SIGNED, signed, f"{_JWT}.JwtAuthentication") | {"disabled": True},
        _discovered(REVOKED, revoked, f"{_RBAC}.RBAC"),
        _discovered(SERVICES, services, f"{_RBAC}.RBAC"),
    ]


def header() -> dict[str, Any]:
    """What a request has to carry to be looked at as one with a JWT."""
    return {"name": "authorization", "string_match": {"safe_regex": {"regex": FORM}}}


def checked(route: Route, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes, which then want a JWT that opens the service; none where the hub has issued none."""
    if not route.issued:
        return []
    found = {SIGNED: {"@type": f"{_JWT}.PerRouteConfig", "requirement_name": _NEED}}
    told = {"metadata": {"filter_metadata": {_OURS: {"service": route.service}}}}
    return with_filters([each | told for each in routes], found)


def _provider(access: Access, way: dict[str, Any]) -> dict[str, Any]:
    keys = json.dumps({"keys": [json.loads(key) for key in access.keys]}, sort_keys=True)
    return {
        "issuer": access.issuer,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": keys},
        "from_headers": [{"name": "authorization", **way}],
        "forward": True,  # the route takes it away; until then it says how to word a refusal
        "payload_in_metadata": "token",
        "clock_skew_seconds": _CLOCKS_APART,
        "jwt_cache_config": {"jwt_cache_size": _REMEMBERED},
    }


def _claim(name: str, value: dict[str, Any]) -> dict[str, Any]:
    path = [{"key": "token"}, {"key": name}]
    matcher = {"filter": "envoy.filters.http.jwt_authn", "path": path, "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "DYNAMIC"}}


def _policy(name: str) -> dict[str, Any]:
    """Tokens that name a service so open it; ``fraud*`` all that begin so, ``*`` all."""
    begins: dict[str, Any] = {"prefix": name[:-1]} if len(name) > 1 else {"safe_regex": {"regex": ".+"}}
    meant = begins if name.endswith("*") else {"exact": name}
    says_so = {"list_match": {"one_of": {"string_match": {"exact": name}}}}
    return {"permissions": [_route_of({"string_match": meant})], "principals": [_claim(CLAIM, says_so)]}


def _route_of(value: dict[str, Any]) -> dict[str, Any]:
    matcher = {"filter": _OURS, "path": [{"key": "service"}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "ROUTE"}}


def _discovered(name: str, source: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"name": name, "config_discovery": {"config_source": source, "type_urls": [kind]}}


def _resource(name: str, config: dict[str, Any]) -> str:
    kind = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    return json.dumps({"@type": kind, "name": name, "typed_config": config}, separators=(",", ":"))
