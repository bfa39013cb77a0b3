"""Tokens that the hub issued (JWTs) as Envoy reads them: whose signature counts, which are revoked, what opens. Pure.

Keys and revoked tokens are files of their own (ECDS), so that a change is in force within milliseconds and touches
neither a route nor a connection. What a token opens is checked where its service's routes are.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

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
_NEED = "issued"
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


def filters(signed: dict[str, Any], revoked: dict[str, Any]) -> list[dict[str, Any]]:
    """The listener's filters, off unless a route asks for them; the arguments say where their files are."""
    return [
        _discovered(SIGNED, signed, f"{_JWT}.JwtAuthentication") | {"disabled": True},
        _discovered(REVOKED, revoked, f"{_RBAC}.RBAC"),
        {"name": SERVICES, "disabled": True, "typed_config": {"@type": f"{_RBAC}.RBAC"}},
    ]


def header() -> dict[str, Any]:
    """What a request has to carry to be looked at as one with a JWT."""
    return {"name": "authorization", "string_match": {"safe_regex": {"regex": FORM}}}


def checked(route: Route, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes, which then want a JWT that opens the service; none where the hub has issued none."""
    if not route.issued:
        return []
    found = _checks(route.service)
    return [route | {"typed_per_filter_config": route.get("typed_per_filter_config", {}) | found} for route in routes]


@lru_cache(maxsize=4096)
def _checks(service: str) -> dict[str, Any]:
    names = {"list_match": {"one_of": {"string_match": {"safe_regex": {"regex": _patterns(service)}}}}}
    policy = _ANY | {"principals": [_claim(CLAIM, names)]}
    rules = {"rules": {"action": "ALLOW", "policies": {SERVICES: policy}}}
    return {
        SIGNED: {"@type": f"{_JWT}.PerRouteConfig", "requirement_name": _NEED},
        SERVICES: {"@type": f"{_RBAC}.RBACPerRoute", "rbac": rules},
    }


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


def _patterns(service: str) -> str:
    """All that a token may say to open the service: its name, or any beginning of it with a star."""
    beginnings = ""
    for letter in reversed(service):
        beginnings = f"(?:{re.escape(letter)}{beginnings})?"
    return rf"{re.escape(service)}|{beginnings}\*"


def _discovered(name: str, source: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"name": name, "config_discovery": {"config_source": source, "type_urls": [kind]}}


def _resource(name: str, config: dict[str, Any]) -> str:
    kind = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    return json.dumps({"@type": kind, "name": name, "typed_config": config}, separators=(",", ":"))
