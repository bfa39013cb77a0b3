"""What a submission changes of a service, and what each change takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlserve.descriptor import Descriptor, masked
from mlserve.descriptor.differences import ABSENT, differences, leaves, value_at
from mlserve.descriptor.pointers import Place, pointer_of
from mlserve.descriptor.secrets import MASK
from mlserve.descriptor.shapes import shape
from mlserve.descriptor.unapplied import Unapplied, unapplied

INSTANCE = ("metadata", "instance")
RESOURCE = ("metadata", "resource")
LIVE: frozenset[Place] = frozenset({INSTANCE})
"""Fields that say how a version is run, and nothing of what runs: another value makes no new version."""
NEVER: Mapping[Place, str] = {
    RESOURCE: "a service stays in its resource group: create it there under another name and delete this one"
}
"""Fields that no update can change, and what to do instead."""


class Applies(StrEnum):
    """What becomes of a change."""

    NEW = "new"
    """The service is new: so is all of it."""
    LIVE = "live"
    """By what runs already."""
    REPLACE = "replace"
    """By instances of a new version."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Side:
    """A descriptor as it was written and as it was read, and where it is or will be."""

    raw: Mapping[str, Any]
    descriptor: Descriptor
    resource: str
    instances: int
    """What it says of their number."""
    files: Mapping[str, str]
    """Descriptor pointer → what its files are: a digest, or another word that changes with them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field, or the files that one names. Nothing in it is secret."""

    pointer: str
    old: Any
    new: Any
    applies: Applies
    reason: str = ""


def changes(old: Side | None, new: Side) -> tuple[Change, ...]:
    """The fields that differ in what they mean, defaults included: how a descriptor is spelled is none of it.

    Of a new service: what its writer said.
    """
    if old is None:
        return tuple(_of_a_new_one(new))
    return (*_fields(old, new), *_not_applied(unapplied(dict(old.raw)), unapplied(dict(new.raw))))


def changed_files(old: Side | None, new: Side) -> tuple[Change, ...]:
    """The fields whose files differ, whether or not the field itself does."""
    had = old.files if old else {}
    applies = Applies.REPLACE if old else Applies.NEW
    return tuple(
        Change(pointer, had.get(pointer), new.files.get(pointer), applies)
        for pointer in dict.fromkeys((*had, *new.files))
        if had.get(pointer) != new.files.get(pointer)
    )


def makes_a_version(*found: tuple[Change, ...]) -> bool:
    """Whether any of these takes a new version."""
    return any(change.applies in (Applies.REPLACE, Applies.NEW) for some in found for change in some)


def refusals(found: tuple[Change, ...]) -> Iterator[Change]:
    """Those that no update can make; a field that has no meaning here may say what it likes."""
    return (change for change in found if change.pointer in _REFUSED)


_REFUSED = frozenset(pointer_of(place) for place in NEVER)


def _fields(old: Side, new: Side) -> Iterator[Change]:
    effective = _effective(old), _effective(new)
    shown = [_masked(values) for values in effective]
    for found in differences(*effective):
        applies = Applies.NEVER if found.place in NEVER else Applies.LIVE if found.place in LIVE else Applies.REPLACE
        before, after = (_plain(value_at(tree, found.place)) for tree in shown)
        yield Change(pointer_of(found.place), before, after, applies, NEVER.get(found.place, ""))


def _effective(side: Side) -> dict[str, Any]:
    """What the descriptor means: every field with its default, in one spelling."""
    values = side.descriptor.model_dump(mode="json", by_alias=True)
    values["metadata"] |= {"instance": side.instances, "resource": side.resource, "name": None}
    return values


def _not_applied(old: Mapping[Place, Unapplied], new: Mapping[Place, Unapplied]) -> Iterator[Change]:
    for place in dict.fromkeys((*old, *new)):
        known = old.get(place) or new[place]
        before, after = (side[place].value if place in side else ABSENT for side in (old, new))
        if any(differences(before, after)):
            said = _shown(place, before), _shown(place, after)
            yield Change(pointer_of(place), said[0], said[1], Applies.NEVER, f"not applied here: {known.reason}")


def _of_a_new_one(side: Side) -> Iterator[Change]:
    written = shape(side.raw).values
    shown, without = _masked(written), unapplied(dict(side.raw))
    for place, value in leaves(written):
        if value is not None and place not in without:
            yield Change(pointer_of(place), None, _plain(value_at(shown, place)), Applies.NEW)
    yield from _not_applied({}, without)


def _shown(place: Place, value: Any) -> Any:
    """A value as people may see it, by the names on the way to it."""
    for name in reversed(place):
        value = {name: value}
    return _plain(value_at(_masked(value), place))


def _masked(tree: dict[str, Any]) -> dict[str, Any]:
    """The service's own token too: a plan is for others to read."""
    hidden: dict[str, Any] = masked(tree)
    return {**hidden, "token": MASK} if hidden.get("token") else hidden


def _plain(value: Any) -> Any:
    return None if value is ABSENT else value
