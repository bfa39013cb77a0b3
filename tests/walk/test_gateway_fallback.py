"""A lighter service that answers where a service does not, and one that only listens: the real Envoy, under load."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Fallback, Mirror, Route, Table, Target
from tests.waiting import eventually
from tests.walk.gateway_kit import TOKEN, Instance, Load, client, gateway, instances

EVERYTHING = frozenset({"down", "overload", "error", "timeout"})
MARK = "x-mlserve-fallback"


@pytest.fixture
def three() -> Iterator[list[Instance]]:
    """Two primaries and a lighter one."""
    with instances("p1", "p2", "lite") as started:
        yield started


def table(three: list[Instance], *on: str, alone: bool = False, **options: float) -> Table:
    primaries = () if alone else tuple(one.address for one in three[:2])
    clusters = Cluster("shop", 1, primaries, "/", backed=True), Cluster("lite", 3, (three[2].address,), "/")
    fallback = Fallback((Target("lite", 3),), frozenset(on) or EVERYTHING, alone=alone)
    shop = Route("shop", ((1, 100),), token=TOKEN, fallback=fallback)
    return Table(clusters, (replace(shop, **options), Route("lite", ((3, 100),), token="l")))  # type: ignore[arg-type]


async def degraded(made: Gateway) -> int:
    return await made.degraded("shop")


def test_every_primary_may_die_under_load_and_nobody_who_asks_is_told(tmp_path: Path, three: list[Instance]) -> None:
    async def story() -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(table(three))
            load = Load(ask, "/shop")
            async with load.running(workers=32):
                assert load.names <= {"p1", "p2"}, "while the primaries are well they answer everything"
                three[0].kill()
                three[1].kill()
                await load.more(300)
                await made.publish(table(three, alone=True))
                await load.more(100)
                await made.publish(table(three))
                await load.more(100)
            assert load.failures == []
            answer = await ask.get("/shop/x")
            assert (answer.json()["name"], answer.headers[MARK]) == ("lite", "lite")
            assert answer.headers["x-mlserve-served-by"] == "lite/3", "as when it is asked itself"
            assert answer.json()["path"] == "/x"
            assert await degraded(made) > 300
            own = await ask.get("/lite", headers={"authorization": "l"})
            assert MARK not in own.headers

    asyncio.run(story())


def test_every_member_of_a_group_may_die_under_load_and_as_long_as_one_lives_it_answers(
    tmp_path: Path, three: list[Instance]
) -> None:
    members = Target("blue", 1, 50), Target("green", 2, 50)
    clusters = (
        Cluster("blue", 1, (three[0].address,), "/", backed=True),
        Cluster("green", 2, (three[1].address,), "/", backed=True),
        Cluster("lite", 3, (three[2].address,), "/"),
    )
    fallback = Fallback((Target("lite", 3),), EVERYTHING)
    group = Route("shop", (), token=TOKEN, members=members, fallback=fallback)
    wished = Table(clusters, (group, Route("lite", ((3, 100),), token="l")))

    async def story() -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(wished)
            load = Load(ask, "/shop")
            async with load.running(workers=32):
                three[0].kill()
                await load.more(300)
                assert load.names <= {"p1", "p2"}, "nobody is sent elsewhere while one of them answers"
                three[1].kill()
                await load.more(300)
            assert load.failures == []
            assert (await ask.get("/shop")).headers[MARK] == "lite"
            assert await degraded(made) > 200

    asyncio.run(story())


def test_primaries_that_are_full_stay_fully_used_and_the_rest_is_answered_elsewhere(
    tmp_path: Path, three: list[Instance]
) -> None:
    async def story() -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(table(three, "down", "overload"))
            load = Load(ask, "/shop/lame/busy")
            async with load.running(workers=20):
                await load.more(600)
            assert load.failures == []
            assert load.names == {"p1", "p2", "lite"}
            elsewhere = await degraded(made)
            async with httpx.AsyncClient() as directly:
                asked = [await directly.get(f"http://{one.address}/lame/refusals") for one in three[:2]]
            refusals = [answer.json()["count"] for answer in asked]
            assert 0 < elsewhere <= sum(refusals) / 2, "whoever is answered elsewhere was refused more than once"

    asyncio.run(story())


def test_an_error_and_silence_are_answered_by_the_fallback_where_that_is_wished(
    tmp_path: Path, three: list[Instance]
) -> None:
    async def story() -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(table(three, timeout_seconds=0.5))
            for path in ("/shop/lame/error", "/shop/lame/slow"):
                answer = await ask.post(path, content=b"x" * 1000)
                assert (answer.status_code, answer.json()["name"], answer.headers[MARK]) == (200, "lite", "lite"), path
            well = await ask.get("/shop")
            assert well.json()["name"] in ("p1", "p2")
            assert MARK not in well.headers
            await made.publish(table(three, "down", "overload", timeout_seconds=0.5))
            assert (await ask.get("/shop/lame/error")).status_code == 500
            assert (await ask.get("/shop/lame/slow")).status_code == 504

    asyncio.run(story())


def test_a_mirror_hears_copies_and_neither_slows_nor_fails_who_asks(tmp_path: Path, three: list[Instance]) -> None:
    async def story() -> None:
        clusters = Cluster("shop", 1, (three[0].address,), "/"), Cluster("next", 2, (three[2].address,))
        shop = Route("shop", ((1, 100),), token=TOKEN, mirror=Mirror(Target("next", 2), 100))
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(Table(clusters, (shop, Route("next", ((2, 100),), token="n"))))
            for _ in range(50):
                answer = await ask.post("/shop/x", content=b"y")
                assert (answer.json()["name"], answer.headers["x-mlserve-served-by"]) == ("p1", "shop/1")

            async def all_heard() -> bool:
                return (await made.mirrored("shop")).total == 50

            await eventually(all_heard)
            three[2].kill(signal.SIGSTOP)
            begun = time.monotonic()
            for _ in range(300):
                assert (await ask.post("/shop/x", content=b"y")).status_code == 200
            assert time.monotonic() - begun < 60
            three[2].kill()
            for _ in range(50):
                assert (await ask.post("/shop/x", content=b"y")).status_code == 200

    asyncio.run(story())


def test_copies_for_the_hub_hold_nobody_up_whether_it_hangs_or_is_gone(tmp_path: Path, three: list[Instance]) -> None:
    at, came, held = tmp_path / "copies.sock", list[bytes](), list[asyncio.StreamWriter]()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        came.append(await reader.readuntil(b"\r\n\r\n"))

    async def story() -> None:
        shop = Route("shop", ((1, 100),), token=TOKEN, compared=("shop/release",))
        table = Table((Cluster("shop", 1, (three[0].address,), "/"),), (shop,), recorder=str(at))
        hub = await asyncio.start_unix_server(hang, at)
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(table)
            for _ in range(300):
                assert (await ask.post("/shop/x?y=1", content=b"y")).status_code == 200
            assert 1 <= len(came) <= 4, "no more are on their way at a time"
            assert came[0].startswith(b"POST /x?y=1 HTTP/1.1")
            assert b"x-mlserve-compared: shop/release" in came[0]
            assert TOKEN.encode() not in came[0]
            hub.close()
            for writer in held:
                writer.close()
            at.unlink()
            for _ in range(50):
                assert (await ask.post("/shop/x", content=b"y")).status_code == 200

    asyncio.run(story())
