"""What an image of ours is made of: layers from what seldom changes to what often does. Words only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Layer:
    """Files of one layer."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Absolute path inside the image → absolute path of a file or folder here."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides an image: equal recipes over equal files give one digest."""

    tag: str
    """``repository:tag``; the tag is the version of the service."""
    base: str
    """The image it stands on."""
    requirements: tuple[str, ...] = ()
    wheels: str = ""
    """A folder of wheels to install from without an index; empty: the engine's own index is asked."""
    code: Layer = Layer()
    model: Layer = Layer()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    port: int = 8080
    labels: Mapping[str, str] = field(default_factory=dict)
