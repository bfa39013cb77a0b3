"""Verbs that meet: what one has acknowledged, no other and no look of the loop may undo."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.errors import Conflict, InvalidInput
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.stats import Requests
from mlserve.gateway.table import Access, Table
from mlserve.hub.acceptance import Submission
from mlserve.hub.admission import Admission
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling.call_tokens import CallTokens
from mlserve.hub.examining import examine
from mlserve.hub.hub import Hub
from mlserve.hub.keys import Keys
from mlserve.hub.places import Places
from mlserve.hub.prepare import Preparer
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.records import Prepared
from mlserve.hub.services import Services
from mlserve.hub.settings import Settings
from mlserve.hub.store.base import Store
from mlserve.hub.tokens import Tokens
from mlserve.hub.wishes import Wishes
from mlserve.storage import ContentStore
from mlserve.workload import Workload

DESCRIPTOR = {"name": "iris", "command": "sleep $PORT", "metadata": {"instance": 1, "cpu": 0.1, "memory": 16}}


class BusyGateway:
    """A gateway that takes every table; while it does, ``meanwhile`` happens."""

    address = "127.0.0.1:1"

    def __init__(self) -> None:
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def publish(self, _: Table) -> None:
        work, self.meanwhile = self.meanwhile, None
        if work:
            await work()

    async def in_flight(self, _: object) -> dict[str, int]:
        return {}

    async def requests(self, _: str) -> dict[tuple[str, int], Requests]:
        return {}

    async def times(self, _: str) -> dict[int, tuple[int, ...]]:
        return {}


def call_tokens(home: Path, store: Store) -> CallTokens:
    """Of a hub whose services ask nobody."""

    async def admit(_: Access) -> None: ...

    return CallTokens(home, Tokens(store, Keys(home / "keys"), "desk"), admit, lambda *_: None)


class Desk:
    """A hub whose loop turns by hand."""

    def __init__(self, home: Path) -> None:
        store, self.gateway = MemoryStore(), BusyGateway()
        self.wishes, self.places = Wishes(store), Places(home, store)
        admission = Admission(home, "secret", self.wishes, lambda _: Access())
        self.blueprints, content = Blueprints(home, self.wishes, admission), ContentStore(home / "content")
        self.loop = Reconciler(
            Settings(home), self.wishes, self.places, self.blueprints, Preparer(home, content),
            cast(Gateway, self.gateway), admission, call_tokens(home, store),
        )  # fmt: skip
        self.services = Services(self.wishes, self.places, self.blueprints, self.loop, "http://127.0.0.1:1")
        self.hub = Hub(self.wishes, self.places, self.blueprints, content, self.loop, self.services)

    async def create(self, **changes: Any) -> dict[str, Any]:
        return await self.hub.create(Submission({**DESCRIPTOR, **changes}, {}))


@asynccontextmanager
async def desk(home: Path) -> AsyncIterator[Desk]:
    made = Desk(home)
    try:
        yield made
    finally:
        for service in list(made.wishes.services()):
            made.hub.delete(service.name)
        while made.wishes.services():
            await made.loop.tick()
            await asyncio.sleep(0.02)
        await made.places.get("local").backend.close()  # type: ignore[attr-defined]


def test_of_two_scales_at_once_none_is_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path) as made:
            await made.create()
            answers = await asyncio.gather(*(made.hub.scale("iris", count) for count in (2, 3, 4)))
            assert sorted(answer["generation"] for answer in answers) == [2, 3, 4]
            last = max(answers, key=lambda answer: int(answer["generation"]))
            assert made.services.describe("iris")["wished"]["instances"] == last["wished"]["instances"]

    asyncio.run(scenario())


def test_a_delete_wins_over_a_scale_that_began_before_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path) as made:
            await made.create()
            scaling = asyncio.create_task(made.hub.scale("iris", 2))
            await asyncio.sleep(0)
            made.hub.delete("iris")
            with pytest.raises(Conflict, match="being deleted"):
                await scaling
            assert made.services.describe("iris")["status"] == "Deleting"

    asyncio.run(scenario())


def test_what_is_wished_while_the_loop_looks_is_not_written_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path) as made:
            await made.create()
            version = made.wishes.version("iris", 1)
            made.wishes.put_version(replace(version, prepared=Prepared("python"), failure={"at": 0.0}))
            # The look about to be taken ends in a write: the first version has failed, so the wish is settled.
            made.gateway.meanwhile = lambda: made.hub.scale("iris", 3)
            await made.loop.tick()
            shown = made.services.describe("iris")
            assert (shown["generation"], shown["wished"]["instances"]) == (2, 3)

    asyncio.run(scenario())


def test_a_taken_name_is_told_before_a_lack_of_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path) as made:
            await made.create()
            with pytest.raises(Conflict, match="taken"):
                await made.create(metadata={"memory": 10**9})

    asyncio.run(scenario())


def test_many_slow_downloads_hold_up_no_other_verb(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path) as made:
            with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
                model = {"model_path": f"http://127.0.0.1:{silent.getsockname()[1]}/model.onnx", "command": None}
                for number in range(40):
                    await made.create(name=f"slow{number}", processor="onnx", **model)
                await made.loop.tick()
                async with asyncio.timeout(5):
                    await made.create()
                    await made.hub.scale("iris", 2)

    asyncio.run(scenario())


def test_what_nobody_wishes_is_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path) as made:
            backend = made.places.get("local").backend
            await backend.apply(Workload("lost", 1, 1, command=("sleep", "600"), drain_seconds=1.0))
            assert await backend.instances("lost")
            async with asyncio.timeout(10):
                while await backend.instances("lost"):
                    await made.loop.tick()
                    await asyncio.sleep(0.02)

    asyncio.run(scenario())


@pytest.mark.parametrize("special", ["pipe", "device"])
def test_a_pipe_or_a_device_is_no_model(tmp_path: Path, special: str) -> None:
    path = tmp_path / "model.onnx" if special == "pipe" else Path("/dev/zero")
    if special == "pipe":
        os.mkfifo(path)
    with pytest.raises(InvalidInput, match="neither a file nor a folder"):
        examine({"/model_path": str(path)})
