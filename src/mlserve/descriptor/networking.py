"""The networking part of a descriptor."""

from __future__ import annotations

from pydantic import Field

from mlserve.descriptor.base import Words
from mlserve.descriptor.units import Bytes


class Networking(Words):
    """What the gateway holds requests to."""

    max_body: Bytes = Field(default=64 * 2**20, ge=1, le=2**32 - 1)
    """The largest request body, in bytes or as "64MB"; a larger one is answered with 413."""
