"""What instances elsewhere are told of who may ask, by a place that may be away or slow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from tests.contract.fake_backend import FakeBackend
from tests.unit.test_direct import WISH, one

from mlserve.backends.base import Instance, State
from mlserve.errors import ResourceUnavailable
from mlserve.hub.seen import Seen
from mlserve.hub.telling import Telling
from mlserve.workload import ACCESS, CALLS


class Backend(FakeBackend):
    """Of an engine; ``away``: nothing can be told there."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Sequence[tuple[Instance, Mapping[str, str]]]] = []
        self.away = False

    async def tell(self, texts: Sequence[tuple[Instance, Mapping[str, str]]]) -> None:
        if self.away:
            raise ResourceUnavailable("the engine is away", hint="")
        self.told.append(texts)


@pytest.fixture
def backend() -> Backend:
    return Backend()


def made(backend: object) -> tuple[Telling, dict[str, str]]:
    texts = {"iris": "first"}
    places: Any = SimpleNamespace(find=lambda name: SimpleNamespace(backend=backend) if name == "local" else None)
    admission: Any = SimpleNamespace(text=lambda service: texts.get(service, ""))
    call_tokens: Any = SimpleNamespace(text=lambda service, version: texts.get(f"{service} asks", ""))
    return Telling(places, admission, call_tokens), texts


def test_those_that_check_tokens_are_told_and_nobody_whose_service_is_gone(backend: Backend) -> None:
    instances = one(1, 9001), one(1, 9002, checks=False), one(1, 9003, State.STOPPED), one(1, 9004, State.DRAINING)
    telling, texts = made(backend)
    asyncio.run(telling.tell([Seen(WISH, {}, instances)]))
    first = {ACCESS: "first"}
    assert [[(each.id, text) for each, text in told] for told in backend.told] == [
        [("i-9001", first), ("i-9004", first)]
    ]
    texts["iris asks"] = "wine"
    asyncio.run(telling.tell([Seen(WISH, {}, instances)]))
    assert [text for _, text in backend.told[-1]] == [first | {CALLS: "wine"}, {CALLS: "wine"}, first | {CALLS: "wine"}]
    texts.clear()
    asyncio.run(telling.tell([Seen(WISH, {}, instances)]))
    assert backend.told[-1] == []


def test_a_place_that_is_away_holds_nobody_up_and_hears_it_later(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    telling, texts = made(backend)
    backend.away = True
    for _ in range(3):
        asyncio.run(telling.tell([Seen(WISH, {}, (one(1, 9001),))]))
    assert caplog.text.count("event=telling-waits") == 1, "said once"
    backend.away, texts["iris"] = False, "second"
    asyncio.run(telling.tell([Seen(WISH, {}, (one(1, 9001),))]))
    assert [[text for _, text in told] for told in backend.told] == [[{ACCESS: "second"}]]


def test_instances_that_read_the_hubs_files_need_no_telling() -> None:
    telling, _ = made(FakeBackend())
    asyncio.run(telling.tell([Seen(WISH, {}, (one(1, 9001),))]))
