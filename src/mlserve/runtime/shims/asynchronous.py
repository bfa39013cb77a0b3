"""Wait for a coroutine of a processor on a worker thread; all of them share one event loop, as their clients want."""

from __future__ import annotations

import asyncio
import inspect
import threading
from functools import cache
from typing import Any


def settled(value: Any) -> Any:
    """The value itself, or what the coroutine comes to."""
    if not inspect.iscoroutine(value):
        return value
    return asyncio.run_coroutine_threadsafe(value, _loop()).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="processor-loop", daemon=True).start()
    return loop
