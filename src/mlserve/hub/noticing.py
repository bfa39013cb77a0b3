"""Hear of changes at places as they happen, so that the loop looks at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mlserve.backends.base import NoticingBackend
from mlserve.hub.places import Places


class Noticing:
    """A task for each place whose backend notices changes; ``heard`` is called at each of them."""

    def __init__(self, places: Places, heard: Callable[[], None]) -> None:
        self._places, self._heard = places, heard
        self._tasks: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}

    def follow(self) -> None:
        """Listen at every place there is now, those that were added meanwhile included, and at no other."""
        backends = {place.name: place.backend for place in self._places.all()}
        there = {name: one.changed for name, one in backends.items() if isinstance(one, NoticingBackend)}
        for name, (event, task) in list(self._tasks.items()):
            if there.get(name) is not event:
                task.cancel()
                del self._tasks[name]
        for name in there.keys() - self._tasks.keys():
            self._tasks[name] = (there[name], asyncio.create_task(self._hear(there[name]), name=f"hear {name}"))

    def cancel(self) -> None:
        """Listen no more."""
        for _, task in self._tasks.values():
            task.cancel()

    async def _hear(self, event: asyncio.Event) -> None:
        while True:
            await event.wait()
            event.clear()
            self._heard()
