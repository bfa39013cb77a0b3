"""Work at several places beside one another: one that is slow holds up its own services alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

PATIENCE = 0.2
"""Seconds that a round waits for its lanes; whoever is slower is waited for by nobody."""


class Lanes:
    """A task for each place that has something to do; ``freed`` is called when one ends that nobody waited for."""

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def busy(self, name: str) -> bool:
        """Whether a place is still at an earlier round's work."""
        return name in self._tasks

    async def run(self, work: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Do each place's work in its lane, those that are busy left out."""
        begun = {name: asyncio.create_task(do(), name=f"lane {name}") for name, do in work.items()}
        self._tasks.update(begun)
        for name, task in begun.items():
            task.add_done_callback(partial(self._end, name))
        if begun:
            await asyncio.wait(begun.values(), timeout=PATIENCE)
        for task in begun.values():
            if task.done():
                task.result()
            else:
                task.add_done_callback(lambda _: self._freed())

    def cancel(self) -> None:
        """End them all."""
        for task in self._tasks.values():
            task.cancel()

    def _end(self, name: str, _: asyncio.Task[None]) -> None:
        del self._tasks[name]
