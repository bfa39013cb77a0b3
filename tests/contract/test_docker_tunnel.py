"""An engine behind ssh: its socket and ports come here, the way there outlives hubs, what ssh refuses is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
from tests.contract.docker_connecting import SOON, answers, connected, fetched, plain_server, refused, version
from tests.docker_engine import Engine as Dockerd
from tests.docker_engine import Sshd
from tests.waiting import eventually

from mlserve.backends.docker.engine import open_engine

pytestmark = pytest.mark.slow


def test_ssh_brings_the_engine_and_its_ports_here(docker_engine: Dockerd, ssh_server: Sshd, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with connected(tmp_path, over_ssh(docker_engine)) as opened:
            assert await version(opened)
            assert opened.address == "127.0.0.1"
            with plain_server(b"hello") as port:
                there = await opened.reach(port)
                assert there != f"127.0.0.1:{port}"
                assert await asyncio.to_thread(fetched, there) == b"hello"
                ssh_server.cut()
                await eventually(lambda: answers(there))  # the same address, made again
                assert await opened.reach(port) == there
                opened.forget(port)
                await eventually(lambda: not answers(there))
            assert await version(opened)

    asyncio.run(scenario())


def test_a_tunnel_outlives_the_hub_and_is_adopted_by_the_next(
    docker_engine: Dockerd, ssh_server: Sshd, tmp_path: Path
) -> None:
    async def scenario() -> None:
        with plain_server(b"hello") as port:
            first = open_engine(over_ssh(docker_engine), tmp_path, pace=SOON)
            assert await version(first)
            there = await first.reach(port)
            await first.close()
            assert await asyncio.to_thread(fetched, there) == b"hello"
            before = masters(tmp_path)
            assert len(before) == 1
            async with connected(tmp_path, over_ssh(docker_engine)) as second:
                assert await version(second)
                assert masters(tmp_path) == before
                assert await second.reach(port) == there
            assert masters(tmp_path) == []
            assert not await asyncio.to_thread(lambda: list(tmp_path.rglob("*")))

    asyncio.run(scenario())


def test_a_home_with_a_long_path_has_its_sockets_elsewhere(
    docker_engine: Dockerd, ssh_server: Sshd, tmp_path: Path
) -> None:
    async def scenario() -> None:
        home = tmp_path / ("long" * 30)
        async with connected(home, over_ssh(docker_engine)) as opened:
            assert await version(opened)

    asyncio.run(scenario())


def test_what_ssh_refuses_is_told(docker_engine: Dockerd, ssh_server: Sshd, tmp_path: Path) -> None:
    key = refused(tmp_path / "a", {"host": "ssh://somebody-else@gpu-box"})
    assert "does not accept this user's key" in key.message
    assert "ssh-copy-id" in key.hint
    assert '"nowhere.invalid" is not known' in refused(tmp_path / "b", {"host": "ssh://nowhere.invalid"}).message
    assert "no ssh server" in refused(tmp_path / "c", {"host": "ssh://gpu-box:1"}).message
    ssh_server.known_hosts.write_text("")
    unknown = refused(tmp_path / "d", over_ssh(docker_engine))
    assert "host key of gpu-box is not known" in unknown.message
    assert "ssh gpu-box" in unknown.hint


def test_a_host_key_that_changed_is_told(docker_engine: Dockerd, ssh_server: Sshd, tmp_path: Path) -> None:
    other = (ssh_server.folder / "client.pub").read_text()
    ssh_server.known_hosts.write_text(f"[127.0.0.1]:{ssh_server.port} {other}")
    assert "is another one than before" in refused(tmp_path, over_ssh(docker_engine)).message


def test_ssh_to_a_machine_without_docker_says_so(ssh_server: Sshd, tmp_path: Path) -> None:
    error = refused(tmp_path, {"host": f"ssh://gpu-box{tmp_path}/none.sock"})
    assert "ssh to gpu-box works, but there is no socket" in error.message
    assert "start Docker" in error.hint


def over_ssh(docker_engine: Dockerd) -> dict[str, str]:
    return {"host": f"ssh://gpu-box{docker_engine.socket}"}


def masters(home: Path) -> list[int]:
    """The ssh processes of a home's tunnel."""
    words = (str(home),)
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"]
        and process.info["cmdline"][0].endswith("ssh")
        and "-M" in process.info["cmdline"]
        and any(word in " ".join(process.info["cmdline"]) for word in words)
    ]
