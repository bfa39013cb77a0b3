"""What the gateway notes of a request, line by line. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

_FAILED_CALLS = frozenset({2, 4, 13, 14, 15})
"""Of gRPC: unknown, deadline exceeded, internal, unavailable, data loss."""
_UPGRADED = 101
"""A WebSocket."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of which it is known who answered."""

    place: str
    """The group or service that was asked."""
    id: int
    arm: str
    caller: int
    at: float
    failed: bool
    ms: int | None
    """None: it was a conversation (WebSocket), whose length says nothing."""


def key(place: str, text: str) -> int:
    """What stands for a request's id, or for a caller: 64 bits, so that a row is small and tells of nobody."""
    return int.from_bytes(hashlib.blake2b(f"{place}\0{text}".encode(), digest_size=8).digest(), signed=True)


def read(line: bytes) -> Asked | None:
    """The request of a line; None where it is none, was cut off, or nobody answered."""
    try:
        said = json.loads(line)
        return _asked(said) if isinstance(said, dict) else None
    except (ValueError, KeyError, TypeError):
        return None


def _asked(said: dict[str, Any]) -> Asked | None:
    place, identity, cluster = str(said["route"]), str(said["id"] or ""), str(said["cluster"] or "")
    service, _, rest = cluster.partition("/")
    if not (place and identity and rest):
        return None
    version = rest.partition("/")[0]
    status = int(said["status"])
    return Asked(
        place=place,
        id=key(place, identity),
        arm=version if service == place else service,
        caller=key(place, str(said["caller"] or "") or identity),  # a newcomer's cookie is the id of its first request
        at=float(said["at"]),
        failed=status >= 500 or said["grpc"] in _FAILED_CALLS,
        ms=None if status == _UPGRADED else int(said["ms"]),
    )
