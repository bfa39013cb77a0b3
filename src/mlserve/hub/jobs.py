"""Work beside the loop: at most one of a kind for a version at a time, however often the loop asks for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("mlserve.hub")

Key = tuple[str, int]
"""A version: the service's name and the number."""

Ended = Callable[[str, Key, BaseException | None], None]
"""Told the kind, the version, and what the work crashed with."""


class Jobs:
    """The pieces of work that are under way."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._tasks: dict[tuple[str, Key], asyncio.Task[None]] = {}

    def start(self, kind: str, key: Key, work: Coroutine[Any, Any, None]) -> None:
        """Start it, unless it is running already."""
        if (kind, key) in self._tasks:
            work.close()
            return
        task = asyncio.create_task(work, name=f"{kind} {key}")
        self._tasks[kind, key] = task
        task.add_done_callback(lambda done: self._finished(kind, key, done))

    def drop(self, service: str) -> None:
        """End what is done for a service that goes."""
        for kind, key in [job for job in self._tasks if job[1][0] == service]:
            self._tasks.pop((kind, key)).cancel()

    def cancel(self) -> None:
        """End all of it."""
        for task in self._tasks.values():
            task.cancel()

    def _finished(self, kind: str, key: Key, task: asyncio.Task[None]) -> None:
        if self._tasks.get((kind, key)) is task:
            del self._tasks[kind, key]
        error = None if task.cancelled() else task.exception()
        if error:
            log.error("event=%s-crashed service=%s version=%s", kind, *key, exc_info=error)
        self._ended(kind, key, error)
