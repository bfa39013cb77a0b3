"""Groups and pins at the gateway: the real Envoy before small real instances."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table, Target
from tests.walk.gateway_kit import TOKEN, Load, client, gateway, instances

BLUE, GREEN = Target("blue", 1, 90), Target("green", 2, 10)
PINNED = ("blue", (BLUE,)), ("green", (GREEN,))


def table(blue: str, green: str, **options: object) -> Table:
    clusters = Cluster("blue", 1, (blue,), "/"), Cluster("green", 2, (green,), "/")
    group = Route("shop", (), token=TOKEN, members=(BLUE, GREEN), pinned=PINNED)
    return Table(clusters, (Route("blue", ((1, 1),), token="b"), replace(group, **options)))  # type: ignore[arg-type]


@asynccontextmanager
async def told(tmp_path: Path, wished: Table) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    async with gateway(tmp_path) as made:
        await made.publish(wished)
        async with client(made) as ask:
            yield made, ask


def test_a_group_shares_its_requests_and_a_request_may_name_a_member(tmp_path: Path) -> None:
    async def story(blue: str, green: str) -> None:
        async with told(tmp_path, table(blue, green)) as (_, ask):
            found = Counter([(await ask.get("/shop/x")).headers["x-mlserve-served-by"] for _ in range(300)])
            assert set(found) == {"blue/1", "green/2"}
            assert 5 <= found["green/2"] <= 60
            named = [(await ask.get("/shop", headers={"x-mlserve-service": "green"})).json() for _ in range(10)]
            assert {one["name"] for one in named} == {"g"}
            assert named[0]["headers"]["x-forwarded-prefix"] == "/api/predict/shop"
            missing = await ask.get("/shop", headers={"x-mlserve-service": "red"})
            assert (missing.status_code, missing.json()["code"]) == (404, "no-version")
            wrong = await ask.get("/shop", headers={"x-mlserve-service": "red", "authorization": "b"})
            assert wrong.status_code == 401
            assert (await ask.get("/blue")).status_code == 401, "a group's token opens the group alone"

    with instances("b", "g") as (blue, green):
        asyncio.run(story(blue.address, green.address))


def test_callers_stay_with_a_member_by_header_or_by_cookie(tmp_path: Path) -> None:
    async def story(blue: str, green: str) -> None:
        half = (replace(BLUE, weight=50), replace(GREEN, weight=50))
        async with told(tmp_path, table(blue, green, members=half, sticky="header:x-user")) as (made, ask):
            seen = {}
            for user in range(40):
                answers = [
                    (await ask.get("/shop", headers={"x-user": f"user {user}"})).json()["name"] for _ in range(3)
                ]
                assert len(set(answers)) == 1
                seen[user] = answers[0]
            assert 8 <= Counter(seen.values())["g"] <= 32
            await made.publish(table(blue, green, members=half, sticky="cookie:visitor"))
            visitors = Counter[str]()
            for _ in range(30):
                ask.cookies.clear()
                first = await ask.get("/shop")
                assert first.cookies["visitor"]
                visitors[first.json()["name"]] += 1
                later = [await ask.get("/shop") for _ in range(3)]  # the client brings its cookie along
                assert {one.json()["name"] for one in later} == {first.json()["name"]}
                assert not any(one.cookies for one in later)
            assert set(visitors) == {"b", "g"}

    with instances("b", "g") as (blue, green):
        asyncio.run(story(blue.address, green.address))


@pytest.mark.parametrize("sticky", ["", "header:x-user"])
def test_a_member_may_die_and_leave_and_weights_may_change_under_load(tmp_path: Path, sticky: str) -> None:
    with instances("b", "g") as (blue, green):

        async def story() -> None:
            async with told(tmp_path, table(blue.address, green.address, sticky=sticky)) as (made, ask):
                load = Load(ask, "/shop")
                async with load.running():
                    for weights in ((10, 90), (99, 1), (50, 50)):
                        members = replace(BLUE, weight=weights[0]), replace(GREEN, weight=weights[1])
                        await made.publish(table(blue.address, green.address, members=members, sticky=sticky))
                        await load.more(100)
                    blue.kill()
                    await load.more(200)
                    left = table(blue.address, green.address, members=(GREEN,), pinned=PINNED[1:], sticky=sticky)
                    emptied = replace(left.clusters[0], endpoints=())
                    await made.publish(replace(left, clusters=(emptied, left.clusters[1])))
                assert load.failures == []
                assert load.names == {"b", "g"}

        asyncio.run(story())


def test_a_version_without_a_share_is_asked_by_header_and_at_its_own_address(tmp_path: Path) -> None:
    async def story(old: str, new: str) -> None:
        clusters = Cluster("iris", 1, (old,), "/"), Cluster("iris", 2, (new,), "/")
        async with told(tmp_path, Table(clusters, (Route("iris", ((1, 100),), token=TOKEN),))) as (made, ask):
            assert {(await ask.get("/iris")).json()["name"] for _ in range(20)} == {"old"}
            assert (await ask.get("/iris", headers={"x-mlserve-version": "2"})).json()["name"] == "new"
            answer = (await ask.get("/iris@2/v2/x?y=1")).json()
            assert (answer["name"], answer["path"], answer["query"]) == ("new", "/v2/x", "y=1")
            assert answer["headers"]["x-forwarded-prefix"] == "/api/predict/iris@2"
            assert (await ask.get("/iris@2", headers={"authorization": "no"})).status_code == 401
            assert (await ask.get("/iris@3")).status_code == 404
            await made.publish(Table(clusters[:1], (Route("iris", ((1, 100),), token=TOKEN),)))
            assert (await ask.get("/iris", headers={"x-mlserve-version": "1"})).json()["name"] == "old"
            assert (await ask.get("/iris", headers={"x-mlserve-version": "2"})).json()["code"] == "no-version"

    with instances("old", "new") as (old, new):
        asyncio.run(story(old.address, new.address))
