"""When a request is tried again, and when the fallback's turn comes. Pure.

Only the first bytes of an answer decide: one that has begun goes on. Who is asked is `sharing`'s to say.
"""

from __future__ import annotations

from typing import Any

from mlserve.gateway.table import ERROR, OVERLOAD, TIMEOUT, Fallback, Route

OVERLOADED_HEADER = "x-mlserve-overloaded"
"""Set by the runtime on a 503 of a full queue: the request has not run and may be tried elsewhere."""

_SAFE = ("connect-failure", "refused-stream", "reset-before-request", "retriable-headers")
_TRIES = 3
"""The first choice, the service's first version again, and who is left: one more where that is a member and others."""
_STATUSES = {ERROR: (500, 501, 502, 507), TIMEOUT: (504,)}
_CALLS = {OVERLOAD: ("resource-exhausted",), ERROR: ("internal", "unavailable"), TIMEOUT: ("deadline-exceeded",)}
"""The same for calls of gRPC."""


def retry_policy(
    twice: bool, fallback: Fallback | None = None, *, proven: bool = False, tries: int = _TRIES
) -> dict[str, Any]:
    """Elsewhere, where an instance has not taken a request; ``twice``: also where it may have run already.

    ``proven``: who is asked again is a version that has served, beside one that is on trial and errs.
    """
    conditions = [*_SAFE, *(["reset"] if twice else [])]
    statuses: list[int] = []
    if proven and twice and not fallback:
        conditions += _CALLS[ERROR]
        statuses += _STATUSES[ERROR]
    if fallback:
        if OVERLOAD not in fallback.on:
            conditions.remove("retriable-headers")
        for reason in sorted(fallback.on):
            conditions += _CALLS.get(reason, ())
            statuses += _STATUSES.get(reason, ())
        statuses += [503] * (ERROR in fallback.on and OVERLOAD in fallback.on)  # a full queue is a 503, too
    by_status = {"retriable_status_codes": statuses} if statuses else {}
    return {
        "retry_on": ",".join([*conditions, *(["retriable-status-codes"] if statuses else [])]),
        "retriable_headers": [{"name": OVERLOADED_HEADER, "present_match": True}],
        **by_status,
        "num_retries": tries - 1,
        "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.1s"},
        "retry_host_predicate": [_previous()],
        # A dead instance has the fewest requests and is picked first, again and again: until chance finds another.
        "host_selection_retry_max_attempts": 32,
    }


def patience(route: Route) -> float:
    """Seconds of silence after which nobody is asked any more: where that is for the fallback, each try has its own."""
    return route.timeout_seconds * (tries_of(route) if _falls_back_in_time(route) else 1)


def tries_of(route: Route) -> int:
    """How often a request is sent at most: a group's has a second member to ask before the fallback's turn."""
    return _TRIES + (route.fallback is not None and len(route.members) > 1)


def each_try(route: Route) -> dict[str, Any]:
    """How long one of the tries may take to begin its answer, where the fallback is to be asked then."""
    return {"per_try_timeout": seconds(route.timeout_seconds)} if _falls_back_in_time(route) else {}


def seconds(duration: float) -> str:
    """A duration as Envoy reads it, which takes 0 for forever."""
    return f"{max(duration, 0.001):.3f}s"


def _falls_back_in_time(route: Route) -> bool:
    return route.fallback is not None and TIMEOUT in route.fallback.on and bool(route.shares)


def _previous() -> dict[str, Any]:
    return {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        },
    }
