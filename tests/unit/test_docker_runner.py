"""An engine that was away is back: what it lists is believed once each container was looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from mlserve.backends.docker import labels
from mlserve.backends.docker.making import Site
from mlserve.backends.docker.runner import Containers
from mlserve.backends.records import Record
from mlserve.backends.run import Listener
from mlserve.errors import NotFound, ResourceUnavailable


class Returned:
    """An engine whose events end once, as at its death; the container it then lists has ended, and is gone."""

    target, trouble = "unix:///engine.sock", ""

    def __init__(self) -> None:
        self.streams, self.asked, self.answers = 0, asyncio.Event(), asyncio.Event()
        listed = {"Id": "c1", "State": "exited", "Labels": {labels.INSTANCE: "iris-1-a", labels.PART: "0"}}
        self._api = SimpleNamespace(
            containers=lambda **_: [listed], inspect_container=self._inspect, remove_container=lambda *_, **__: None
        )

    async def events(self, _: object) -> AsyncIterator[dict[str, Any]]:
        self.streams += 1
        if self.streams == 1:
            raise ResourceUnavailable("it ended its stream of events")
        await asyncio.Event().wait()
        yield {}

    async def call(self, wish: Callable[[Any], Any], seconds: float = 0.0) -> Any:
        try:
            return wish(SimpleNamespace(api=self._api))
        except NotFound:
            self.asked.set()
            await self.answers.wait()
            raise

    def _inspect(self, container: str) -> None:
        raise NotFound(f"no container {container}")


def test_what_may_have_died_with_its_engine_is_looked_at_before_it_is_told(tmp_path: Path) -> None:
    async def story() -> list[str]:
        told: list[str] = []
        engine, known = Returned(), asyncio.Event()
        listener = SimpleNamespace(ended=lambda *_: told.append("it ended"), noticed=lambda: None)
        containers = Containers(Site(cast(Any, engine), "hub", cast(Any, None)))
        record = Record("iris-1-a", "iris", 1, "0", started_at=time.time())
        containers.adopt(record, tmp_path, cast(Listener, listener))

        def hear() -> None:
            told.append("all is known")
            known.set()

        watching = asyncio.create_task(containers.watch(lambda *_: None, hear))
        async with asyncio.timeout(30):
            await engine.asked.wait()
            assert (containers.reachable, "being looked at" in containers.trouble) == (False, True)
            engine.answers.set()
            await known.wait()
        assert (containers.reachable, containers.trouble) == (True, "")
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return told

    assert asyncio.run(story()) == ["it ended", "all is known"]
