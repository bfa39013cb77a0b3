"""Changes and deaths under constant load: the real Envoy loses no request."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from mlserve.errors import GatewayFailed
from mlserve.gateway.table import Cluster, Route, Table
from tests.waiting import eventually
from tests.walk.gateway_kit import SECRET, TOKEN, Load, client, gateway, instances, kill_envoy

pytestmark = pytest.mark.alone

IRIS = Route("iris", ((1, 1),), token=TOKEN)


def iris(*addresses: str, **options: object) -> Table:
    return Table((Cluster("iris", 1, addresses, "/"),), (replace(IRIS, **options),), SECRET)  # type: ignore[arg-type]


def test_services_and_instances_come_and_go_under_load_without_a_failed_request(tmp_path: Path) -> None:
    async def story(a: str, b: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(a))
            load = Load(ask)
            async with load.running():
                for turn in range(6):
                    other = Cluster("other", turn, (b,))
                    first, second = iris(a, b), iris(b if turn % 2 else a)
                    await made.publish(
                        Table((*first.clusters, other), (*first.routes, Route("other", ((turn, 1),))), SECRET)
                    )
                    assert (await ask.get("/other")).headers["x-mlserve-served-by"] == f"other/{turn}"
                    await load.more(30)
                    await made.publish(second)
                    assert (await ask.get("/other")).status_code == 404
                    await load.more(30)
            assert load.failures == []
            assert load.names == {"a", "b"}

    with instances("a", "b") as two:
        asyncio.run(story(*(instance.address for instance in two)))


def test_a_version_hands_over_to_the_next_under_load_without_a_failed_request(tmp_path: Path) -> None:
    async def story(a: str, b: str) -> None:
        v1, v2 = Cluster("iris", 1, (a,), "/"), Cluster("iris", 2, (b,), "/")
        async with gateway(tmp_path) as made, client(made) as ask:
            load = Load(ask)
            await made.publish(Table((v1,), (IRIS,)))
            async with load.running():
                for cluster in (v2, v1) * 4:
                    await made.publish(Table((cluster,), (replace(IRIS, targets=((cluster.version, 1),)),)))
                    await load.more(20)
            assert load.failures == []

    with instances("a", "b") as two:
        asyncio.run(story(*(instance.address for instance in two)))


def test_the_death_of_one_of_two_instances_fails_no_request(tmp_path: Path) -> None:
    async def story(a: str, b: str, pid: int) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(a, b))
            load = Load(ask, "/iris/slow?0.05")
            async with load.running(16):
                os.kill(pid, signal.SIGKILL)
                await load.more(300)
            assert load.failures == []

            async def known() -> bool:
                return await made.unhealthy() == {a}

            await eventually(known)

    with instances("a", "b") as two:
        asyncio.run(story(two[0].address, two[1].address, two[0].process.pid))


def listens(address: str) -> bool:
    """Whether a connection is taken."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_a_request_runs_twice_only_where_that_is_allowed(tmp_path: Path) -> None:
    async def story(first: str, second: str, third: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(first, second, third, retry=False))
            once = await ask.post("/iris/die", content=b"x")
            assert (once.status_code, once.json()["code"]) == (503, "instance-failed")

            async def refuses() -> bool:
                return sum(not listens(address) for address in (first, second, third)) == 1

            await eventually(refuses)  # until then the dying one may still take a connection and cut it
            answers = [await ask.get("/iris") for _ in range(20)]
            assert [answer.status_code for answer in answers] == [200] * 20, "the dead one refuses: tried elsewhere"
            assert len({answer.json()["name"] for answer in answers}) == 2, "exactly one has died"
            await made.publish(iris(first, second, third, retry=True))
            assert (await ask.post("/iris/die", content=b"x")).status_code == 503
            assert (await ask.get("/iris")).status_code == 503, "each try killed one"

    with instances("a", "b", "c") as three:
        asyncio.run(story(*(instance.address for instance in three)))


def test_a_full_instances_request_is_tried_elsewhere_and_its_own_answer_passes_in_the_end(tmp_path: Path) -> None:
    async def story(a: str, b: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(a, b, retry=False))
            answer = await ask.get("/iris/full?mark")
            assert (answer.status_code, answer.json()) == (503, {"own": "full"})
            async with httpx.AsyncClient() as direct:
                seen = [(await direct.post(f"http://{at}/seen", content=b"mark")).json()["seen"] for at in (a, b)]
            assert min(seen) == 1
            assert sum(seen) <= 3

    with instances("a", "b") as two:
        asyncio.run(story(*(instance.address for instance in two)))


def test_envoy_comes_back_each_time_it_dies(tmp_path: Path) -> None:
    async def story(a: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(a))
            watching = asyncio.create_task(made.watch())
            for _ in range(2):
                before = made.pid
                assert before
                os.kill(before, signal.SIGKILL)
                await eventually(partial(answers, ask))
                assert made.pid != before
            await made.publish(iris(a, timeout_seconds=7.0))
            watching.cancel()

    async def answers(ask: httpx.AsyncClient) -> bool:
        with suppress(httpx.HTTPError):
            return (await ask.get("/iris")).status_code == 200
        return False

    with instances("a") as (one,):
        asyncio.run(story(one.address))


def test_a_refused_table_leaves_the_last_good_one(tmp_path: Path) -> None:
    async def story(a: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            good = iris(a)
            await made.publish(good)
            wrong = Cluster("wrong", 1, ("127.0.0.1:99999",))
            with pytest.raises(GatewayFailed, match="PortValue") as refused:
                await made.publish(Table((wrong, *good.clusters), (Route("wrong", ((1, 1),)),), SECRET))
            assert TOKEN not in refused.value.message + str(refused.value.details)
            assert (await ask.get("/iris")).status_code == 200
            await made.publish(Table((*good.clusters, Cluster("more", 1, (a,))), good.routes, SECRET))
            assert (await ask.get("/iris")).status_code == 200

    with instances("a") as (one,):
        asyncio.run(story(one.address))


def test_an_instance_taken_out_is_drained_when_its_last_request_is_answered(tmp_path: Path) -> None:
    async def story(a: str, b: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(a))
            slow = asyncio.create_task(ask.get("/iris/slow?1.5"))

            async def begun() -> bool:
                return (await made.active("iris", 1)).get(a) == 1

            async def drained() -> bool:
                return await made.in_flight([a]) == {a: 0}

            await eventually(begun)
            await made.publish(iris(b))
            assert (await ask.get("/iris")).json()["name"] == "b"
            assert await made.in_flight([a]) == {a: 1}
            assert (await slow).json()["name"] == "a"
            await eventually(drained)
            counted = (await made.requests("iris"))[("iris", 1)]
            assert (counted.total, counted.failed, counted.in_flight) == (2, 0, 0)

    with instances("a", "b") as two:
        asyncio.run(story(*(instance.address for instance in two)))


def test_stop_lets_requests_in_flight_end(tmp_path: Path) -> None:
    async def story(a: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(iris(a))
            slow = [asyncio.create_task(ask.get("/iris/slow?1")) for _ in range(10)]

            async def begun() -> bool:
                return (await made.active("iris", 1)).get(a) == 10

            await eventually(begun)
            await made.stop()
            assert [(await task).status_code for task in slow] == [200] * 10
            assert made.pid is None
            kill_envoy(tmp_path / "gateway")

    with instances("a") as (one,):
        asyncio.run(story(one.address))
