"""What differs between two descriptors, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlserve.descriptor.pointers import Place


class Absent:
    """The type of ``ABSENT``."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""What a place holds that a tree does not have; null is a value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A place that two trees hold different values at."""

    place: Place
    old: Any
    new: Any


def differences(old: Any, new: Any, at: Place = ()) -> Iterator[Difference]:
    """The deepest places at which two trees of JSON values differ; items of lists are compared by their number."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in (*old, *(name for name in new if name not in old)):
            yield from differences(old.get(name, ABSENT), new.get(name, ABSENT), (*at, str(name)))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from differences(_item(old, index), _item(new, index), (*at, str(index)))
    elif not _same(old, new):
        yield Difference(at, old, new)


def leaves(tree: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a tree that is no object, with its place; a list counts as one value."""
    if isinstance(tree, Mapping) and tree:
        for name, value in tree.items():
            yield from leaves(value, (*at, str(name)))
    else:
        yield at, tree


def value_at(tree: Any, place: Place) -> Any:
    """What a tree holds at a place; the single value above it, where it ends before (a masked object)."""
    for name in place:
        if isinstance(tree, Mapping):
            tree = tree.get(name, ABSENT)
        elif isinstance(tree, list):
            tree = _item(tree, int(name)) if name.isdigit() else ABSENT
        else:
            return tree
    return tree


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else ABSENT


def _same(old: Any, new: Any) -> bool:
    """Also of one type: 1, 1.0 and true are three values to who reads a ``model_config``."""
    return type(old) is type(new) and bool(old == new)
