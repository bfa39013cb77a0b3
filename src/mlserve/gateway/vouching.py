"""The gateway vouches for requests whose token it has checked; signed ones are checked by the instance. Pure.

An instance lets in whatever carries its service's secret, for the gateway adds that to checked requests alone. No
caller can send the secret through the gateway: each route that adds it overwrites what came, and the route for signed
requests, which nothing has checked yet, removes it.
"""

from __future__ import annotations

from typing import Any

from mlserve.gateway.headers import overwriting
from mlserve.gateway.table import Route

GATEWAY_HEADER = "x-mlserve-gateway"
BETWEEN = ","
"""Between the secrets of several services that a request may come to: members of a group, a fallback, a mirror."""
SIGNED = "EAS "
"""What the Authorization of a signed request begins with."""


def vouched(route: Route, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes of a service, with the secret by which its instances let their requests in."""
    if not route.secret:
        return routes
    header = overwriting(GATEWAY_HEADER, route.secret)
    return [
        each | {"request_headers_to_add": [header]} if "route" in each and not _unchecked(each) else each
        for each in routes
    ]


def unchecked(route: dict[str, Any]) -> dict[str, Any]:
    """The route for signed requests: they reach an instance as they came, and never with the secret."""
    return route | {"request_headers_to_remove": [GATEWAY_HEADER]}


def header() -> dict[str, Any]:
    """What a request has to carry to be looked at as a signed one."""
    return {"name": "authorization", "string_match": {"prefix": SIGNED}}


def _unchecked(route: dict[str, Any]) -> bool:
    return GATEWAY_HEADER in route.get("request_headers_to_remove", ())
