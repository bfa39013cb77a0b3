"""Look at every place: each service beside what is really there of it. What belongs to no service is dealt with."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence

from mlserve.backends.base import Instance, RememberingBackend
from mlserve.errors import MlserveError
from mlserve.hub.adoption import Adoption
from mlserve.hub.places import Place, Places
from mlserve.hub.plan import Seen
from mlserve.hub.records import Service
from mlserve.hub.wishes import Wishes

log = logging.getLogger("mlserve.hub")

FIRST_ANSWER_SECONDS = 2.0

There = Mapping[str, Sequence[Instance]]
"""Service → its instances at one place."""


class Observer:
    """Sees all services at once; a place that can't be asked is told by `Seen.trouble` and holds up no other."""

    def __init__(self, wishes: Wishes, places: Places) -> None:
        self._wishes, self._places = wishes, places
        self._adoption = Adoption(wishes)
        self._strangers: dict[str, asyncio.Task[None]] = {}
        self._deleted: set[str] = set()

    async def first_answers(self) -> None:
        """Give places that are far away a moment to answer, so that the first look already sees what is there."""
        asked = [asyncio.create_task(_answer(place)) for place in self._places.all()]
        await asyncio.wait(asked, timeout=FIRST_ANSWER_SECONDS)
        for task in asked:
            task.cancel()

    async def look(self) -> list[Seen]:
        """Every service with its instances."""
        there: dict[str, There] = {}
        trouble: dict[str, str] = {}
        for place in self._places.all():
            trouble[place.name] = place.backend.trouble
            try:
                there[place.name] = _by_service(await place.backend.instances())
            except MlserveError as exc:
                there[place.name], trouble[place.name] = {}, exc.message
            self._deal_with_strangers(place, there[place.name])
        return [self._sight(service, there, trouble) for service in self._wishes.services()]

    async def adopt(self, place: Place) -> list[str]:
        """Take up what runs at a place for a hub that has forgotten it; the names of those services."""
        if not isinstance(place.backend, RememberingBackend):
            return []
        there = await place.backend.remembered()
        return self._adoption.take_up(place.name, [one for one in there if one.service not in self._deleted])

    def deleted(self, name: str) -> None:
        """Somebody wished it gone: what may still be there of it is ended, never taken up."""
        self._deleted.add(name)

    def _sight(self, service: Service, there: Mapping[str, There], trouble: Mapping[str, str]) -> Seen:
        versions = {version.number: version for version in self._wishes.versions(service.name)}
        # What another place has under this name is not of this service: the same engine may be two groups.
        instances = there.get(service.resource, {}).get(service.name, [])
        gone = f'the resource group "{service.resource}" does not exist any more'
        return Seen(
            service,
            versions,
            tuple(sorted(instances, key=lambda i: (i.version, i.started_at, i.id))),
            trouble=trouble.get(service.resource, gone),
        )

    def _deal_with_strangers(self, place: Place, there: There) -> None:
        """Instances of a service that nobody wishes: its store was lost, say."""
        names = [name for name in there if self._wishes.find(name) is None]
        running = self._strangers.get(place.name)
        if names and not place.backend.trouble and (running is None or running.done()):
            # Aside: it asks the place, which may be slow.
            self._strangers[place.name] = asyncio.create_task(self._deal_with(place, names), name="strangers")

    async def _deal_with(self, place: Place, names: Sequence[str]) -> None:
        try:
            await self.adopt(place)
            for name in names:
                if self._wishes.find(name) is None and self._may_end(place, name):
                    log.warning("event=unwished service=%s resource=%s", name, place.name)
                    await place.backend.remove(name)
        except MlserveError as exc:
            log.warning("event=unwished-kept resource=%s reason=%r", place.name, exc.message)

    def _may_end(self, place: Place, name: str) -> bool:
        """What can say what it is and is not understood is left alone: it may be a later mlserve's."""
        known = name in self._deleted or name in self._adoption.thrown_away
        return known or not isinstance(place.backend, RememberingBackend)


def _by_service(instances: Sequence[Instance]) -> There:
    found: dict[str, list[Instance]] = {}
    for instance in instances:
        found.setdefault(instance.service, []).append(instance)
    return found


async def _answer(place: Place) -> None:
    with contextlib.suppress(MlserveError):  # its trouble is told by every look
        await place.backend.capacity()
