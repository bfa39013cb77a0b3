"""A service comes to a group: whether it may, and what the hub then keeps of the group."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

from mlserve.descriptor import Descriptor
from mlserve.errors import Conflict
from mlserve.hub.groups.records import Group
from mlserve.hub.limits import LimitsOf
from mlserve.hub.records import Service
from mlserve.hub.references import Allowed, allow_calls, allow_fallback, anybody, require_fallback
from mlserve.hub.routing import group_of
from mlserve.hub.wishes import Wishes, taken


def members_of(wishes: Wishes, limits: LimitsOf, group: str) -> list[Service]:
    """The services of a group, those on their way out too."""
    mine = (service for service in wishes.services() if service.trial_until is None)
    return [service for service in mine if group_of(service, limits) == group]


def tokens_of(wishes: Wishes, limits: LimitsOf, service: Service) -> Mapping[str, str]:
    """The token of the group that a service is in, by the group's name."""
    mine = "" if service.trial_until is not None else group_of(service, limits)
    return {group.name: group.token for group in wishes.groups() if group.name == mine}


def check(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed = anybody) -> None:
    """Raises Conflict where service and group would share an address, InvalidDescriptor for a fallback that is not
    there, Forbidden for somebody else's group, fallback, or service that its instances would ask.
    """
    name = descriptor.name
    allow_calls(wishes, limits, descriptor, allowed)
    allow_fallback(wishes, limits, descriptor, allowed)
    require_fallback(wishes, descriptor)
    if wishes.find(name) is None and members_of(wishes, limits, name):
        raise Conflict(f'"{name}" is a service group, and has that address', hint="give the service another name")
    _check_group(wishes, limits, descriptor, allowed)


def _check_group(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed) -> None:
    name, group = descriptor.name, descriptor.metadata.group
    if not group:
        return
    if wishes.find(group):
        raise Conflict(f'"{group}" is a service, and has that address', hint="give the group another name")
    service = wishes.find(name)
    if service is None or group_of(service, limits) != group:
        allowed(group)


def join(
    wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed = anybody, *, trial: bool = False
) -> None:
    """Keep the group that a new service names; raises as `check`, and Conflict where the service's name is taken.

    ``trial``: one that is tried out joins none, and gets no token for somebody else's services either.
    """
    if trial:
        allow_calls(wishes, limits, descriptor, allowed)
        return
    if wishes.find(descriptor.name):
        raise taken(descriptor.name)
    check(wishes, limits, descriptor, allowed)
    _keep(wishes, limits, descriptor)


def move(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed = anybody) -> None:
    """Keep the group that a service's next version names, if it is another one; raises as `check`."""
    check(wishes, limits, descriptor, allowed)
    if group_of(wishes.service(descriptor.name), limits) != descriptor.metadata.group:
        _keep(wishes, limits, descriptor)


def back(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed = anybody) -> None:
    """The same for a version that serves again, whose fallback may be gone: that is no reason to keep what is bad."""
    allow_calls(wishes, limits, descriptor, allowed)
    allow_fallback(wishes, limits, descriptor, allowed)
    _check_group(wishes, limits, descriptor, allowed)
    if group_of(wishes.service(descriptor.name), limits) != descriptor.metadata.group:
        _keep(wishes, limits, descriptor)


def _keep(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor) -> None:
    """The first member takes all requests, whatever its descriptor says."""
    name, group = descriptor.name, descriptor.metadata.group
    if not group:
        return
    known = next((one for one in wishes.groups() if one.name == group), None)
    alone = not members_of(wishes, limits, group)
    if known is None or alone:
        known = Group(group, secrets.token_urlsafe(24), time.time())
    apart = {*known.standalone} - {name} | ({name} if descriptor.metadata.release and not alone else set())
    weights = {member: weight for member, weight in known.weights.items() if member != name}
    wishes.put_group(replace(known, standalone=tuple(sorted(apart)), weights=weights))
