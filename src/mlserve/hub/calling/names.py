"""Which names there are to be asked, and what is told of a service that counts on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlserve.descriptor.pointers import detail
from mlserve.errors import Detail
from mlserve.hub.calling.rules import warnings
from mlserve.hub.routing import Of, group_of
from mlserve.hub.wishes import Wishes


def names(wishes: Wishes, limits: Of) -> set[str]:
    """Services and groups that are there to stay."""
    there = [one for one in wishes.services() if one.trial_until is None and not one.deleting]
    return {name for one in there for name in (one.name, group_of(one, limits)) if name}


def with_unknown(shown: dict[str, Any], calls: Sequence[str], wishes: Wishes, limits: Of) -> dict[str, Any]:
    """A document with warnings, and one more for each of ``calls`` that nobody answers to."""
    if not calls:
        return shown
    return {**shown, "warnings": [*shown["warnings"], *warnings(calls, names(wishes, limits))]}


def beside(shown: Mapping[str, Any], wishes: Wishes) -> Iterator[Detail]:
    """A warning for a fallback and a mirror that could not answer, whoever took them away."""
    fallback, mirror = shown["fallback"], shown["mirror"]
    if fallback and (how := _absent(fallback["service"], wishes)):
        message = f'the fallback "{fallback["service"]}" {how}: what this service does not answer fails meanwhile'
        yield detail("/fallback/service", "absent", message)
    if mirror and (how := _absent(mirror["to"], wishes)):
        yield detail("", "absent", f'"{mirror["to"]}", which gets copies of its requests, {how}: none are sent')


def _absent(name: str, wishes: Wishes) -> str:
    service = wishes.find(name)
    if service is None or service.deleting:
        return "is gone"
    return "is stopped" if service.stopped else ""
