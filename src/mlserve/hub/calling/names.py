"""Which names there are to be asked, and what is told of a service that asks for others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlserve.hub.calling.rules import warnings
from mlserve.hub.limits import LimitsOf
from mlserve.hub.routing import group_of
from mlserve.hub.wishes import Wishes


def names(wishes: Wishes, limits: LimitsOf) -> set[str]:
    """Services and groups that are there to stay."""
    there = [one for one in wishes.services() if one.trial_until is None and not one.deleting]
    return {name for one in there for name in (one.name, group_of(one, limits)) if name}


def with_unknown(shown: dict[str, Any], calls: Sequence[str], wishes: Wishes, limits: LimitsOf) -> dict[str, Any]:
    """A document with warnings, and one more for each of ``calls`` that nobody answers to."""
    if not calls:
        return shown
    return {**shown, "warnings": [*shown["warnings"], *warnings(calls, names(wishes, limits))]}
