"""What the hub keeps of a service group. Who is in it, the services' descriptors say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    """Services under one address."""

    name: str
    token: str
    created_at: float
    weights: Mapping[str, int] = field(default_factory=dict)
    """Member → percent of the requests, as somebody set it; empty: by the number of ready instances."""
    standalone: tuple[str, ...] = ()
    """Members without a share, whatever runs of them."""
    sticky: str = ""
    """``header:NAME`` or ``cookie:NAME``: callers that agree in it get the same member."""
    shared_at: float = 0.0
    """When somebody last said how its requests are shared."""


def group_from(data: Mapping[str, Any]) -> Group:
    """A group as it was stored."""
    return Group(**{**data, "standalone": tuple(data.get("standalone", ()))})


def to_data(group: Group) -> dict[str, Any]:
    """Its JSON form."""
    return asdict(group)
