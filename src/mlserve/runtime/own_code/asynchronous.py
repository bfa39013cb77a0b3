"""Work of a processor that may have to be waited for: on a worker thread, or in the one event loop of its own code."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine, Generator
from concurrent.futures import Future
from functools import cache
from typing import Any

from mlserve.runtime.own_code.coroutines import Coroutines

Work = Generator[Any, Any, Any]
"""Yields values or coroutines, gets back what they come to, and returns its result."""


def start(work: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Begin a coroutine in that loop."""
    return _loop().start(work)


def settled(value: Any) -> Any:
    """The value itself, or what the coroutine comes to."""
    return start(value).result() if inspect.iscoroutine(value) else value


def settled_all(work: Work) -> Any:
    """Do the work on this thread."""
    try:
        value = next(work)
        while True:
            value = work.send(settled(value))
    except StopIteration as end:
        return end.value


async def awaited_all(work: Work) -> Any:
    """Do the work in that loop."""
    try:
        value = next(work)
        while True:
            value = work.send(await value if inspect.iscoroutine(value) else value)
    except StopIteration as end:
        return end.value


@cache
def _loop() -> Coroutines:
    return Coroutines()
