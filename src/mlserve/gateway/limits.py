"""How often a service may be asked, by everybody together and by each token, as Envoy reads it. Pure.

One bucket a service, whatever its routes; they are in a file of their own (ECDS), since a route's own bucket would be
filled anew for each of them. A service that is asked too often costs an answer with 429, and no instance notices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mlserve.gateway.table import Access, Route

LIMITS = "limits"

_KIND = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
_ANY_NUMBER = 2**32 - 1


def limits_json(routes: Iterable[Route], access: Access) -> str:
    """The filter with all buckets, as the resource of a file."""
    config: dict[str, Any] = {"@type": _KIND, "stat_prefix": LIMITS}
    buckets = [("service", route.service, route.rate) for route in routes if route.rate]
    buckets += [("token", token, rate) for token, rate in sorted(access.rates)]
    if buckets:
        config |= {
            "token_bucket": _bucket(_ANY_NUMBER),
            "rate_limited_as_resource_exhausted": True,  # what gRPC calls it
            "filter_enabled": _ALWAYS,
            "filter_enforced": _ALWAYS,
            "descriptors": [_descriptor(*bucket) for bucket in buckets],
        }
    resource = {"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": LIMITS}
    return json.dumps({**resource, "typed_config": config}, separators=(",", ":"))


def limits_filter(source: dict[str, Any]) -> dict[str, Any]:
    """The listener's filter; ``source`` says where its file is."""
    return {"name": LIMITS, "config_discovery": {"config_source": source, "type_urls": [_KIND]}}


def counted(route: Route) -> dict[str, Any]:
    """What a route's action says to have its requests counted."""
    found: list[dict[str, Any]] = []
    if route.rate:
        found.append({"generic_key": {"descriptor_key": "service", "descriptor_value": route.service}})
    if route.issued:
        where = {"key": "envoy.filters.http.jwt_authn", "path": [{"key": "token"}, {"key": "jti"}]}
        found.append({"metadata": {"descriptor_key": "token", "metadata_key": where, "skip_if_absent": True}})
    return {"rate_limits": [{"actions": [action]} for action in found]} if found else {}


def _descriptor(key: str, value: str, rate: int) -> dict[str, Any]:
    return {"entries": [{"key": key, "value": value}], "token_bucket": _bucket(rate)}


def _bucket(rate: int) -> dict[str, Any]:
    return {"max_tokens": rate, "tokens_per_fill": rate, "fill_interval": "1s"}
