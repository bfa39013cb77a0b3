"""Copies of a service's requests for another one: what somebody wishes, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from mlserve.errors import GatewayFailed, InvalidInput
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Mirror as Heard
from mlserve.gateway.table import Route
from mlserve.hub.comparing.report import Report
from mlserve.hub.comparing.report import view as answers
from mlserve.hub.groups.members import Member
from mlserve.hub.records import Mirror, Service
from mlserve.hub.wishes import Wishes


def mirror(wishes: Wishes, name: str, wished: Mirror | None) -> None:
    """Keep whom a service's requests are copied to, from the next look of the loop on; None: nobody.

    Raises NotFound and InvalidInput before anything changes.
    """
    service = wishes.service(name)
    if wished:
        wishes.service(wished.to)
        if wished.to == name:
            raise InvalidInput(f'"{name}" can\'t be its own mirror', hint="--to names another service")
        if not 1 <= wished.percent <= 100:
            raise InvalidInput(
                f"{wished.percent} % of the requests can't be copied", hint="--percent 1 to 100; --off ends the mirror"
            )
    wishes.put(replace(service, mirror=wished))


def with_mirror(route: Route, service: Service, own: Mapping[str, Member]) -> Route:
    """The service's route, with its mirror where that takes requests. Pure."""
    heard = own.get(service.mirror.to) if service.mirror else None
    if service.mirror is None or heard is None or not heard.able:
        return route
    target = max(heard.route.shares, key=lambda share: share.weight)
    return replace(route, mirror=Heard(target, service.mirror.percent), apart=route.apart | heard.route.apart)


async def with_counts(gateway: Gateway, shown: dict[str, Any]) -> dict[str, Any]:
    """A service as its user sees it, with what its mirror was sent."""
    if not shown["mirror"]:
        return shown
    try:
        sent = await gateway.mirrored(shown["name"])
    except GatewayFailed:
        return shown  # it is being started again, say
    return {**shown, "mirror": {**shown["mirror"], "sent": sent.total, "failed": sent.failed}}


def with_answers(shown: dict[str, Any], report: Report | None) -> dict[str, Any]:
    """A service as its user sees it, with how its mirror's answers differ from its own. Pure."""
    return {**shown, "mirror": {**shown["mirror"], "answers": answers(report)}} if shown["mirror"] else shown


def shown(service: Service) -> dict[str, Any] | None:
    """Whom its requests are copied to; ``sent``, ``failed``: where the gateway was asked."""
    return {**asdict(service.mirror), "sent": None, "failed": None, "answers": None} if service.mirror else None
