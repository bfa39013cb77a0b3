"""The networking part of a descriptor."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlserve.descriptor.base import Words
from mlserve.descriptor.units import Bytes, Whole


class Bound(Words):
    """A limit that can be switched off without forgetting it."""

    enable: bool = True
    limit: Whole = Field(default=0, ge=0, le=1_000_000)
    """The number; 0 is none."""

    @property
    def in_force(self) -> int:
        """The number, 0 where there is no limit."""
        return self.limit if self.enable else 0


class GatewayPolicy(Words):
    """How much a service takes on; beyond it 429 with Retry-After."""

    rate_limit: Bound = Bound()
    """Requests a second, of the whole service."""
    concurrency_limit: Bound = Bound()
    """Requests at a time, of each version of the service."""


Origin = Annotated[str, Field(pattern=r"^(\*|https?://(\*\.)?[A-Za-z0-9.\[\]:-]+)$", max_length=300)]


class Cors(Words):
    """Whose pages may ask the service from a browser; they bring a token as any other caller does."""

    allow_origins: Annotated[tuple[Origin, ...], Field(max_length=100)] = ()
    """"https://app.example.com", "https://*.example.com" for all hosts below it, or "*"."""


class Networking(Words):
    """What the gateway holds requests to."""

    max_body: Bytes = Field(default=64 * 2**20, ge=1, le=2**32 - 1)
    """The largest request body, in bytes or as "64MB"; a larger one is answered with 413."""
    cors: Cors = Cors()
    gateway_policy: GatewayPolicy = GatewayPolicy()
