"""What each kind of backend can do of the things a descriptor may ask for."""

from __future__ import annotations

from collections.abc import Mapping

BACKENDS: Mapping[str, frozenset[str]] = {
    "local": frozenset({"processors", "programs"}),
    "docker": frozenset({"processors", "programs", "images", "mounts"}),
}
"""Backend kind → what it can do. What is in none of them is refused everywhere."""

LOCAL = BACKENDS["local"]
EVERYTHING = frozenset().union(*BACKENDS.values())


def backends_with(capability: str) -> tuple[str, ...]:
    """The kinds of backend that can do it."""
    return tuple(kind for kind, able in BACKENDS.items() if capability in able)
