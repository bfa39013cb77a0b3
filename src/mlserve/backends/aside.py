"""Slow work in a thread of its own: it waits for no other slow work, holds none up, and ends with the hub."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


async def aside(work: Callable[[], Result]) -> Result:
    """What ``work`` returns or raises. Cancelled, the work goes on, and nobody waits for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        outcome: Callable[[], None]
        try:
            outcome = partial(done.set_result, work())
        except BaseException as exc:  # noqa: BLE001 - handed to whoever waits
            outcome = partial(done.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    def settle(outcome: Callable[[], None]) -> None:
        if not done.cancelled():
            outcome()

    # Not the loop's pool: a few downloads would fill it, and then nothing else in the hub would move.
    threading.Thread(target=run, name="aside", daemon=True).start()
    return await done
