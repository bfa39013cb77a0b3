"""The other services that a descriptor names, whom it calls and who answers in its place: whether it may name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlserve.descriptor import Descriptor
from mlserve.errors import Detail, InvalidDescriptor
from mlserve.hub.limits import Limits, LimitsOf
from mlserve.hub.wishes import Wishes

Allowed = Callable[[str], None]
"""Raises Forbidden for a service or group that is not the caller's."""


def anybody(_: str) -> None:
    """All are the caller's."""


def allow_calls(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed) -> None:
    """Raises Forbidden for a service that instances would newly ask, for they get a token that opens it."""
    for name in set(descriptor.calls) - set(_now(wishes, limits, descriptor.name).calls):
        allowed(name)


def allow_fallback(wishes: Wishes, limits: LimitsOf, descriptor: Descriptor, allowed: Allowed) -> None:
    """Raises Forbidden for a new fallback that is not the caller's: it answers whoever may ask the service."""
    if descriptor.fallback and descriptor.fallback.service != _now(wishes, limits, descriptor.name).fallback:
        allowed(descriptor.fallback.service)


def require_fallback(wishes: Wishes, descriptor: Descriptor) -> None:
    """Raises InvalidDescriptor for a fallback that is not there."""
    if descriptor.fallback is None:
        return
    other = descriptor.fallback.service
    found = wishes.find(other)
    if found is None or found.deleting:
        raise no_fallback(other, [one.name for one in wishes.services() if one.trial_until is None])


def no_fallback(other: str, known: Iterable[str]) -> InvalidDescriptor:
    """That nobody is there to answer in a service's place."""
    message = f'the fallback "{other}" is no service (services: {", ".join(sorted(known)) or "none"})'
    details: list[Detail] = [{"pointer": "/fallback/service", "code": "invalid", "message": message}]
    return InvalidDescriptor(message, hint=f"create {other} first", details=details)


def _now(wishes: Wishes, limits: LimitsOf, name: str) -> Limits:
    """What the version that serves says; of a new service: nothing."""
    service = wishes.find(name)
    return limits(service.name, service.in_force) if service else Limits()
