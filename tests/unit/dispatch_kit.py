"""A dispatcher over a user's processor, in this process, for stories told inside its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from runtime_kit import processor
from tests.waiting import eventually

from mlserve.runtime.loading import load
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protocols.base import Call
from mlserve.runtime.scheduling.dispatch import Dispatcher, Job, Stream
from mlserve.runtime.scheduling.profile import plan
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec


class Desk:
    """Submits calls to a dispatcher and keeps what comes back."""

    def __init__(self, home: Path, text: str, *, idle_seconds: float = 60.0, **more: Any) -> None:
        spec = Spec("s", "python", processor_path=processor(home, text), **more)
        loaded = load(spec)
        self.metadata = loaded.metadata()
        self.metrics = Metrics("s", 1)
        signature = Signature(self.metadata)
        self.plan = replace(plan(loaded, signature, spec, None), idle_seconds=idle_seconds)
        self.dispatcher = Dispatcher(loaded, self.metadata, self.plan, self.metrics)

    def submit(self, value: Any, *, deadline: float = 20.0, **wishes: Any) -> asyncio.Future[Any]:
        """The outputs, or the exception, of one call."""
        return self.follow(value, deadline=deadline, **wishes)[0]

    def follow(self, value: Any, *, deadline: float = 20.0, **wishes: Any) -> tuple[asyncio.Future[Any], Job]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(outcome: Any) -> None:
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result({name: array.tolist() for name, array in outcome.items()})

        return answer, self.dispatcher.submit(call(value, **wishes), done, deadline)

    def stream(self, value: Any, *, deadline: float = 20.0, **wishes: Any) -> Listener:
        return Listener(self.dispatcher, call(value, **wishes), deadline)


class Listener:
    """What a stream gave so far."""

    def __init__(self, dispatcher: Dispatcher, asked: Call, deadline: float) -> None:
        self.parts: list[Any] = []
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.stream: Stream = dispatcher.stream(asked, self._part, self.ended.set_result, deadline)

    def _part(self, outputs: Mapping[str, Any]) -> None:
        self.parts.append({name: array.tolist() for name, array in outputs.items()})

    async def have(self, count: int) -> None:
        await eventually(lambda: len(self.parts) >= count)


def call(value: Any, **wishes: Any) -> Call:
    array = np.asarray(value)
    return Call({"x": array}, len(array) if array.ndim else 1, lambda outputs: (b"", b"", b""), **wishes)


def told(home: Path, text: str, story: Callable[[Desk], Awaitable[None]], **more: Any) -> None:
    """Run a story against a dispatcher over this processor."""

    async def main() -> None:
        async with asyncio.timeout(30):
            desk = Desk(home, text, **more)
            await story(desk)
            await eventually(lambda: desk.dispatcher.queue.running == 0)  # a thread must not outlive its loop

    asyncio.run(main())
