"""What people ask of service groups, and how a group looks to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mlserve.errors import NotFound
from mlserve.hub.arms.experiment import Experiment
from mlserve.hub.groups.members import Member, fallback, percent, shares, weights
from mlserve.hub.groups.records import Group
from mlserve.hub.groups.traffic import Wish, wished
from mlserve.hub.limits import LimitsOf
from mlserve.hub.moments import moment
from mlserve.hub.plan import status
from mlserve.hub.routing import members
from mlserve.hub.seen import Seen
from mlserve.hub.wishes import Wishes


class Groups:
    """The groups of one hub: those that a service is in."""

    def __init__(
        self,
        wishes: Wishes,
        limits: LimitsOf,
        sights: Callable[[], Sequence[Seen]],
        wake: Callable[[], None],
        gateway: str,
    ) -> None:
        self._wishes, self._limits, self._sights = wishes, limits, sights
        self._wake, self._gateway = wake, gateway

    def list(self) -> Sequence[dict[str, Any]]:
        """All of them, by name."""
        return [self._shown(group, sights) for group, sights in self._all()]

    def describe(self, name: str) -> dict[str, Any]:
        """One group; raises NotFound, which names those that there are."""
        return self._shown(*self._find(name))

    def names(self, name: str) -> Sequence[str]:
        """A group's name and those of its members; raises NotFound."""
        _, sights = self._find(name)
        return [name, *(seen.service.name for seen in sights)]

    def traffic(self, name: str, wish: Wish) -> dict[str, Any]:
        """Share its requests otherwise, from the next look of the loop on; raises before anything changes."""
        group, sights = self._find(name)
        told = wished(group, members(name, sights, self._limits), wish)
        self._wishes.put_group(replace(told, shared_at=time.time()))
        self._wake()
        return self.describe(name)

    def experiment(self, name: str) -> Experiment:
        """Its members as arms that are compared; raises NotFound."""
        group, sights = self._find(name)
        its = members(name, sights, self._limits)
        changed = max(group.shared_at, group.created_at)
        since = changed if weights(group, its) else None
        return Experiment(name, shares(group, its), group.created_at, since, group.sticky)

    def _find(self, name: str) -> tuple[Group, Sequence[Seen]]:
        there = self._all()
        for group, sights in there:
            if group.name == name:
                return group, sights
        known = ", ".join(group.name for group, _ in there)
        raise NotFound(
            f'no service group "{name}" (groups: {known or "none"})',
            hint=f'"metadata": {{"group": "{name}"}} in a descriptor makes it, with that service as its member',
        )

    def _all(self) -> Sequence[tuple[Group, Sequence[Seen]]]:
        seen = {one.service.name: one for one in self._sights()}
        found = []
        for group in self._wishes.groups():
            its = [seen[member.name] for member in members(group.name, seen.values(), self._limits)]
            if its:
                found.append((group, its))
        return found

    def _shown(self, group: Group, sights: Sequence[Seen]) -> dict[str, Any]:
        its = members(group.name, sights, self._limits)
        told, shared = weights(group, its), percent(shares(group, its))
        return {
            "name": group.name,
            "endpoint": f"{self._gateway}/api/predict/{group.name}",
            "token": group.token,
            "mode": "set" if told else "auto",
            "sticky": group.sticky or None,
            "fallback": self._fallback(group, its),
            "created_at": moment(group.created_at),
            "members": [
                self._member(group, one, seen, told.get(one.name) if told else None, shared[one.name])
                for one, seen in zip(its, sights, strict=True)
            ],
        }

    def _fallback(self, group: Group, members: Sequence[Member]) -> dict[str, Any] | None:
        name, on = fallback(group, members)
        return {"service": name, "on": sorted(on), "answered": None} if name else None

    def _member(self, group: Group, member: Member, seen: Seen, weight: int | None, share: float) -> dict[str, Any]:
        return {
            "service": member.name,
            "version": seen.service.in_force,
            "status": str(status(seen)),
            "ready": member.ready,
            "weight": weight,
            "percent": share,
            "standalone": member.name in group.standalone,
            "endpoint": f"{self._gateway}/api/predict/{member.name}",
        }
