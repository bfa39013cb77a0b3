"""Wait for a coroutine of a processor on a worker thread; all of them share one event loop, as their clients want."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from mlserve.runtime.coroutines import Coroutines


def settled(value: Any) -> Any:
    """The value itself, or what the coroutine comes to."""
    return _loop().start(value).result() if inspect.iscoroutine(value) else value


@cache
def _loop() -> Coroutines:
    return Coroutines()
