"""The fields of a descriptor that have no meaning outside EAS's cloud: accepted, and never applied. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlserve.descriptor.fields import Known, Sort, known
from mlserve.descriptor.pointers import Place
from mlserve.descriptor.shapes import shape


@dataclass(frozen=True, slots=True)
class Unapplied:
    """What somebody wrote there, and why it has no meaning."""

    value: Any
    reason: str


def unapplied(raw: dict[str, Any]) -> dict[Place, Unapplied]:
    """Each of these fields by its place in the nested form; raises InvalidDescriptor where ``raw`` is no object."""
    return dict(_below(shape(raw).values, known(), ()))


def _below(value: Any, node: Known, at: Place) -> Iterator[tuple[Place, Unapplied]]:
    if node.sort is Sort.NOT_APPLICABLE:
        yield at, Unapplied(value, node.reason)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in node.below:
                yield from _below(inner, node.below[name], (*at, name))
    elif isinstance(value, list) and "*" in node.below:
        for index, inner in enumerate(value):
            yield from _below(inner, node.below["*"], (*at, str(index)))
