"""A service that is asked too often, at the real Envoy: who gets 429 and who does not, and what new limits cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlserve.gateway.cookie import cookie
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Access, Cluster, Route, Table
from tests.unit import jwt_kit as kit
from tests.walk.gateway_kit import SECRET, TOKEN, Instance, Load, client, gateway, instances

pytestmark = pytest.mark.alone

Story = Callable[[Gateway, httpx.AsyncClient], Coroutine[Any, Any, None]]
OURS = kit.key()
ACCESS = Access(kit.ISSUER, (kit.jwk(OURS, "k1"),), services=frozenset({"*", "iris"}), rates=frozenset({("slow", 4)}))
ISSUED = kit.token(OURS, "k1", "iris")


@pytest.fixture(scope="module")
def one() -> Iterator[Instance]:
    with instances("a") as (started,):
        yield started


def table(at: str, rate: int = 0, concurrency: int = 0) -> Table:
    """iris has the limits, free has none."""
    clusters = Cluster("iris", 1, (at,), "/", concurrency=concurrency), Cluster("free", 1, (at,), "/")
    return Table(
        clusters, (Route("iris", ((1, 1),), token=TOKEN, rate=rate), Route("free", ((1, 1),), token=TOKEN)), SECRET
    )


def tell(tmp_path: Path, wished: Table, story: Story) -> None:
    async def whole() -> None:
        async with gateway(tmp_path) as made:
            await made.admit(ACCESS)
            await made.publish(wished)
            async with client(made) as ask:
                await story(made, ask)

    asyncio.run(whole())


async def burst(ask: httpx.AsyncClient, count: int, path: str = "/iris", **headers: str) -> Counter[int]:
    answers = await asyncio.gather(*(ask.get(path, headers=headers) for _ in range(count)))
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["code"] in ("rate-limited", "overloaded")
    return Counter(answer.status_code for answer in answers)


def test_one_bucket_counts_everybody_who_may_ask_and_nobody_else(tmp_path: Path, one: Instance) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        assert await burst(ask, 30, authorization="wrong") == {401: 30}
        probe = {"x-mlserve-probe": SECRET, "x-mlserve-version": "1"}
        assert await burst(ask, 30, **probe) == {200: 30}
        name = cookie("iris", TOKEN)
        ways = [{"authorization": TOKEN}, {"authorization": ISSUED}, {"authorization": "", "cookie": name}]
        found = sum([await burst(ask, 10, **way) for way in ways], Counter[int]())
        assert 5 <= found[200] <= 15, found
        assert found[200] + found[429] == 30
        assert await burst(ask, 30, "/free") == {200: 30}

    tell(tmp_path, table(one.address, rate=5), story)


def test_a_token_has_a_bucket_of_its_own_besides(tmp_path: Path, one: Instance) -> None:
    slow = kit.token(OURS, "k1", "*", jti="slow")

    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        found = await burst(ask, 20, authorization=slow)
        found += await burst(ask, 20, "/free", authorization=slow)
        assert 4 <= found[200] <= 12, found
        assert await burst(ask, 30, authorization=ISSUED) == {200: 30}

    tell(tmp_path, table(one.address), story)


def test_so_many_at_a_time_and_no_more(tmp_path: Path, one: Instance) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        found = await burst(ask, 12, "/iris/slow?0.5")
        assert (found[200] + found[429], 2 <= found[200] <= 5) == (12, True), found
        assert await burst(ask, 2, "/iris/slow?0.1") == {200: 2}
        assert await burst(ask, 12, "/free/slow?0.2") == {200: 12}

    tell(tmp_path, table(one.address, concurrency=3), story)


def test_a_changed_limit_costs_nobody_a_request(tmp_path: Path, one: Instance) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        load = Load(ask, "/free")
        async with load.running(4):
            for rate in (100_000, 3, 100_000, 0):
                await made.publish(table(one.address, rate=rate))
                found = await burst(ask, 20)
                assert (found[429] > 0) == (rate == 3), (rate, found)
        assert load.failures == []

    tell(tmp_path, table(one.address), story)
