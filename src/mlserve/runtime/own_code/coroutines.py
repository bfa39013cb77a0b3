"""An event loop of its own thread for a user's async code, which must neither hold up ours nor be held up by it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any


class Coroutines:
    """Runs coroutines from other threads, all on the one loop, so that the user's clients and locks live in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="user-loop", daemon=True).start()

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Begin one; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def each(self, parts: AsyncGenerator[Any, None]) -> Iterator[Any]:
        """An async generator for a plain loop; ended early, it is closed as the user would expect."""
        try:
            while (part := self.start(_next(parts)).result()) is not _END:
                yield part
        finally:
            self.start(_close(parts)).result()


_END = object()


async def _next(parts: AsyncGenerator[Any, None]) -> Any:
    return await anext(parts, _END)


async def _close(parts: AsyncGenerator[Any, None]) -> None:
    await parts.aclose()
