"""What people do to a hub's resource groups: each verb looks after the services that are there, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.errors import Conflict
from mlserve.hub.places import Place, Places
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.wishes import Wishes


class ResourceGroups:
    """The resource groups of a hub; ``places`` has them by name."""

    def __init__(self, wishes: Wishes, places: Places, loop: Reconciler) -> None:
        self._wishes, self.places, self._loop = wishes, places, loop

    async def add(
        self, name: str, kind: str, options: Mapping[str, Any], *, credentials: Mapping[str, str], check: bool
    ) -> tuple[Place, list[str]]:
        """A new resource group, and the services that were taken up from it: it remembers what a lost store knew."""
        place = await self.places.add(name, kind, options, credentials=credentials, check=check)
        adopted = [] if place.backend.trouble else await self._loop.adopt(place)
        self._loop.wake()
        return place, adopted

    async def remove(self, name: str) -> None:
        """Forget a group that no service uses; raises Conflict.

        One that is away may never come back: it takes along the services that are to be deleted there.
        """
        away = self.places.get(name).backend.trouble
        here = [service for service in self._wishes.services() if service.resource == name]
        users = [service.name for service in here if not (service.deleting and away)]
        if users:
            hint = "mlserve delete them with --no-wait first: what is away goes with its group" if away else ""
            raise Conflict(
                f'the resource group "{name}" is used by {", ".join(users)}', hint=hint or "delete these services first"
            )
        await self.places.remove(name)
        self._loop.wake()
