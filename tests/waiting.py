"""Wait until something is so, and fail with what did not come; the time for it is that of a slow machine."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

SECONDS = 60.0
_PAUSE = 0.02


def until(holds: Callable[[], Any], what: str = "what is waited for", seconds: float = SECONDS) -> Any:
    """What ``holds`` returns once that is true; TimeoutError where it never is."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(_PAUSE)
    return found


async def eventually(
    holds: Callable[[], Any | Awaitable[Any]], what: str = "what is waited for", seconds: float = SECONDS
) -> Any:
    """The same while the event loop goes on; ``holds`` may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found := await found if inspect.isawaitable(found) else found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(_PAUSE)
