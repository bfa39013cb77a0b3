"""Work beside the event loop: its results come back on the loop, and never more than a few wait."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from mlserve.runtime import beside
from mlserve.runtime.beside import Beside
from mlserve.runtime.scheduling.job import QueueFull


def test_results_and_exceptions_come_back_on_the_loop() -> None:
    async def story() -> None:
        answers: asyncio.Queue[tuple[Any, str]] = asyncio.Queue()
        work = Beside()

        def done(outcome: Any) -> None:
            answers.put_nowait((outcome, threading.current_thread().name))

        work.run(lambda: threading.current_thread().name, done)
        name, where = await answers.get()
        assert name.startswith("beside")
        assert where == threading.current_thread().name
        work.run(lambda: 1 // 0, done)
        assert isinstance((await answers.get())[0], ZeroDivisionError)

    asyncio.run(story())


def test_what_would_wait_too_long_is_refused_at_once() -> None:
    async def story() -> None:
        outcomes: asyncio.Queue[Any] = asyncio.Queue()
        gate, work = threading.Event(), Beside()
        for _ in range(beside._WAITING + 1):
            work.run(gate.wait, outcomes.put_nowait)
        assert isinstance(await outcomes.get(), QueueFull)
        assert outcomes.empty()
        gate.set()
        assert [await outcomes.get() for _ in range(beside._WAITING)] == [True] * beside._WAITING
        work.run(lambda: "room again", outcomes.put_nowait)
        assert await outcomes.get() == "room again"

    asyncio.run(story())
