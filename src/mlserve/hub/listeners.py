"""Hear of changes at places: a backend that knows of one by itself sets its event, and the loop looks at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mlserve.hub.places import Places


class Listeners:
    """A task for each place whose backend has such an event; ``heard`` is called at each change."""

    def __init__(self, places: Places, heard: Callable[[], None]) -> None:
        self._places, self._heard = places, heard
        self._tasks: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}

    def follow(self) -> None:
        """Listen at every place there is now, those that were added meanwhile included, and at no other."""
        there: dict[str, asyncio.Event | None] = {
            place.name: getattr(place.backend, "changed", None) for place in self._places.all()
        }
        for name, (event, task) in list(self._tasks.items()):
            if there.get(name) is not event:
                task.cancel()
                del self._tasks[name]
        for name in there.keys() - self._tasks.keys():
            new = there[name]
            if new is not None:
                self._tasks[name] = (new, asyncio.create_task(self._hear(new), name=f"hear {name}"))

    def cancel(self) -> None:
        """Listen no more."""
        for _, task in self._tasks.values():
            task.cancel()

    async def _hear(self, event: asyncio.Event) -> None:
        while True:
            await event.wait()
            event.clear()
            self._heard()
