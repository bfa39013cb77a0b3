"""One Envoy per home: adopted, never doubled, never frozen for good, and clear about what keeps it from starting."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mlserve.errors import GatewayFailed
from mlserve.gateway import server
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table
from tests.waiting import eventually
from tests.walk.gateway_kit import TOKEN, client, free_port, gateway, instances, kill_envoy

OWNER = """
import asyncio, sys
from pathlib import Path
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table

async def own():
    gateway = Gateway(Path(sys.argv[1]), sys.argv[2])
    await gateway.start()
    await gateway.publish(Table((Cluster("iris", 1, (sys.argv[3],), "/"),), (Route("iris", ((1, 1),), sys.argv[4]),)))
    print(gateway.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(own())
"""


def test_the_next_owner_adopts_what_a_killed_one_left_and_writes_nothing_unchanged(tmp_path: Path) -> None:
    directory, listen = tmp_path / "gateway", f"127.0.0.1:{free_port()}"

    async def story(pid: int, a: str) -> None:
        table = Table((Cluster("iris", 1, (a,), "/"),), (Route("iris", ((1, 1),), TOKEN),))
        next_one = Gateway(directory)
        async with asyncio.timeout(20):
            await next_one.start()
        assert (next_one.pid, next_one.address) == (pid, listen)
        before = [(directory / name).stat().st_mtime_ns for name in ("cds.json", "rds.json", "lds.json")]
        await next_one.publish(table)
        assert [(directory / name).stat().st_mtime_ns for name in ("cds.json", "rds.json", "lds.json")] == before
        async with client(next_one) as ask:
            assert (await ask.get("/iris")).status_code == 200
            watching = asyncio.create_task(next_one.watch())
            os.kill(pid, signal.SIGKILL)

            async def back() -> bool:
                return next_one.pid != pid and await next_one.active("iris", 1) == {a: 0}

            await eventually(lambda: quiet(back))
            watching.cancel()
            await next_one.stop()

    with instances("a") as (one,):
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(directory), listen, one.address, TOKEN], stdout=subprocess.PIPE, text=True
        )
        try:
            assert owner.stdout
            pid = int(owner.stdout.readline())
            owner.kill()
            owner.wait()
            owner.stdout.close()
            assert httpx.get(f"http://{listen}/api/predict/iris", headers={"authorization": TOKEN}).status_code == 200
            asyncio.run(story(pid, one.address))
        finally:
            kill_envoy(directory)


async def quiet(condition: object) -> bool:
    try:
        return bool(await condition())  # type: ignore[operator]
    except GatewayFailed:
        return False


def test_a_port_that_is_taken_is_named_with_the_process_that_has_it(tmp_path: Path) -> None:
    async def story(listen: str) -> None:
        with pytest.raises(GatewayFailed, match=rf"{listen}.*process {os.getpid()}") as taken:
            await Gateway(tmp_path / "gateway", listen).start()
        assert "--gateway" in taken.value.hint

    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as held:
        asyncio.run(story(f"127.0.0.1:{held.getsockname()[1]}"))


def test_two_starts_of_one_home_share_one_envoy(tmp_path: Path) -> None:
    async def story() -> None:
        listen = f"127.0.0.1:{free_port()}"
        async with gateway(tmp_path, listen) as first:
            others = [Gateway(tmp_path / "gateway", listen) for _ in range(3)]
            await asyncio.gather(*(other.start() for other in others))
            assert {other.pid for other in others} == {first.pid}

    asyncio.run(story())


def test_two_homes_choose_different_ports_and_keep_them(tmp_path: Path) -> None:
    async def story() -> None:
        made = [Gateway(tmp_path / name / "gateway") for name in ("x", "y")]
        try:
            await asyncio.gather(*(each.start() for each in made))
            assert made[0].address != made[1].address
            await made[0].stop()
            again = Gateway(tmp_path / "x" / "gateway")
            await again.start()
            assert again.address == made[0].address
        finally:
            for name in ("x", "y"):
                kill_envoy(tmp_path / name / "gateway")

    asyncio.run(story())


def test_a_frozen_envoy_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PING_SECONDS", 0.2)

    async def story() -> None:
        async with gateway(tmp_path) as made:
            watching = asyncio.create_task(made.watch())
            frozen = made.pid
            assert frozen
            os.kill(frozen, signal.SIGSTOP)

            async def back() -> bool:
                return made.pid != frozen and await made.requests() == {}

            await eventually(lambda: quiet(back))
            watching.cancel()

    asyncio.run(story())


def test_everything_is_private_even_where_the_home_is_very_long(tmp_path: Path) -> None:
    async def story() -> None:
        long = tmp_path / ("x" * 100)
        async with gateway(long) as made:
            await made.publish(Table((), (Route("iris", (), TOKEN),)))
            directory = long / "gateway"
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}
            socket_path = server.admin_socket(directory)
            assert len(str(socket_path)) < 100
            assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
            await made.stop()
            assert not socket_path.parent.exists()

    asyncio.run(story())


def test_an_envoy_that_cannot_start_says_why(tmp_path: Path) -> None:
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\necho 'version GLIBC_9.99 not found'\nexit 1\n")
    program.chmod(0o700)

    async def story() -> None:
        with pytest.raises(GatewayFailed, match=r"did not start: version GLIBC_9\.99 not found"):
            await Gateway(tmp_path / "gateway", "127.0.0.1:0", program).start()
        with pytest.raises(GatewayFailed, match="no Envoy program"):
            await Gateway(tmp_path / "gateway", "127.0.0.1:0", tmp_path / "nothing").start()

    asyncio.run(story())
