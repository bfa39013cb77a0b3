"""Which requests a route is for: paths, headers, a token or the cookie that stands for it. Pure."""

from __future__ import annotations

import re
from typing import Any

from mlserve.gateway.browser import PREFIX
from mlserve.gateway.cookie import cookie

UPSTREAMS = ("/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams", "/api/v1/servicediscovery/upstreams")
"""Where EAS's clients ask for a service's instances: by its documentation and in Go and Java; lately in Python."""


def path(service: str) -> str:
    """Where a service is."""
    return f"{PREFIX}/{service}"


def everything(service: str, headers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Every path of a service, where the request has these headers."""
    found: dict[str, Any] = {"path_separated_prefix": path(service)}
    return found | ({"headers": headers} if headers else {})


def of_upstreams() -> dict[str, Any]:
    """The path of a question for a service's instances."""
    pattern = "({})/.*".format("|".join(re.escape(each) for each in UPSTREAMS))
    return {"name": ":path", "string_match": {"safe_regex": {"regex": pattern}}}


def authorization(token: str) -> dict[str, Any]:
    """The right token, bare or after ``Bearer``."""
    pattern = f"(?:(?i:bearer) +)?{re.escape(token)}"
    return {"name": "authorization", "string_match": {"safe_regex": {"regex": pattern}}}


def logged_in(service: str, token: str) -> dict[str, Any]:
    """The cookie of a browser that has logged in."""
    return {"name": "cookie", "string_match": {"contains": cookie(service, token)}}


def exact(name: str, value: str) -> dict[str, Any]:
    """A header with this very value."""
    return {"name": name, "string_match": {"exact": value}}
