"""What callers tell of answers they got (A/B): passed on to the hub once the token is checked. Pure."""

from __future__ import annotations

from typing import Any

from mlserve.gateway import tokens
from mlserve.gateway.actions import filters, forward
from mlserve.gateway.arms import FEEDBACK_HEADER, FEEDBACK_PATH
from mlserve.gateway.headers import overwriting
from mlserve.gateway.matches import authorization, exact, path
from mlserve.gateway.route_table import HUB_CLUSTER
from mlserve.gateway.table import Route

MAX_BODY = 1 << 20


def feedback(route: Route) -> list[dict[str, Any]]:
    """Feedback about a route's requests, with the same tokens as these, also while nothing of it serves."""
    if not route.feedback:
        return []
    if route.token is None:
        return [_to_hub(route, [])]
    return [_to_hub(route, [authorization(route.token)]), *tokens.checked(route, [_to_hub(route, [tokens.header()])])]


def _to_hub(route: Route, allowed: list[dict[str, Any]]) -> dict[str, Any]:
    match = {"path": f"{path(route.at)}/feedback", "headers": [exact(":method", "POST"), *allowed]}
    action = {
        "cluster": HUB_CLUSTER,
        "timeout": "30s",
        "idle_timeout": "30s",  # a caller who stops in the middle of a body
        "prefix_rewrite": f"{FEEDBACK_PATH}{route.service}",
        "retry_policy": {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 1},  # twice is once
    }
    sent = forward(route.at, match, action, ["authorization", "cookie"]) | filters(MAX_BODY)
    return sent | {"request_headers_to_add": [overwriting(FEEDBACK_HEADER, route.feedback)]}
