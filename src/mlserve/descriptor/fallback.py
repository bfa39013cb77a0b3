"""The fallback part of a descriptor: a lighter service that answers where this one does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mlserve.descriptor.base import Words
from mlserve.descriptor.pointers import detail
from mlserve.descriptor.shapes import Shape
from mlserve.errors import Detail

if TYPE_CHECKING:
    from mlserve.descriptor.service import Descriptor


class Fallback(Words):
    """Who is asked in its place, and when; the answer names it in ``x-mlserve-fallback``."""

    service: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    """The lighter service; it has to be there."""
    on: Annotated[tuple[Literal["down", "overload", "error", "timeout"], ...], Field(min_length=1, max_length=4)] = (
        "down",
        "overload",
        "error",
        "timeout",
    )
    """No instance takes the request, all queues are full, an answer of 500 or above, none before the deadline."""


def falling_back(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """What a fallback must be."""
    words = descriptor.fallback
    if words is None:
        return

    def told(name: str, message: str) -> Detail:
        return detail(shaped.written.get(("fallback", name), f"/fallback/{name}"), "invalid", message)

    if words.service == descriptor.name:
        yield told("service", "a service can't be its own fallback: name a lighter one")
    if "down" not in words.on:
        yield told("on", "a fallback is there at least when the service is down: add down")
    if not descriptor.retry and {"error", "timeout"} & set(words.on):
        message = 'retry is false, so a request that may have run is not sent on: "on": ["down", "overload"]'
        yield told("on", message)
    if "overload" in words.on and descriptor.networking.gateway_policy.concurrency_limit.in_force:
        message = (
            "beyond networking.gateway_policy.concurrency_limit the gateway answers 429 itself and asks nobody: "
            "leave the limit out (rpc.max_queue_size bounds what waits), or overload"
        )
        yield told("on", message)
