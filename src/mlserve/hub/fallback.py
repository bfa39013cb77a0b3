"""Who answers in a service's place: its route with the fallback, how that is shown, and how often it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlserve.errors import GatewayFailed
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Fallback, Route
from mlserve.hub.groups.members import Member
from mlserve.hub.limits import Limits
from mlserve.hub.records import Service


def with_fallback(member: Member, service: Service, own: Mapping[str, Member]) -> Route:
    """The service's route, with its fallback as far as that would answer. Pure.

    While nothing of it is ready, that gets all of them. What is stopped is so on purpose; what is tried out has none.
    """
    spare = own.get(member.fallback)
    if spare is None or not spare.able or service.stopped or service.trial_until is not None:
        return member.route
    fallback = Fallback(spare.route.shares, member.fallback_on, alone=not member.able)
    return replace(member.route, apart=member.route.apart | spare.route.apart, fallback=fallback)


async def with_counts(gateway: Gateway, shown: dict[str, Any]) -> dict[str, Any]:
    """A service or group as its user sees it, with how many answers came from its fallback."""
    if not shown["fallback"]:
        return shown
    try:
        answered = await gateway.degraded(shown["name"])
    except GatewayFailed:
        return shown  # it is being started again, say
    return {**shown, "fallback": {**shown["fallback"], "answered": answered}}


def shown(limits: Limits) -> dict[str, Any] | None:
    """Who answers in its place, and when; ``answered``: how often since the gateway started, where that was asked."""
    if not limits.fallback:
        return None
    return {"service": limits.fallback, "on": sorted(limits.fallback_on), "answered": None}
