"""What tests of the Docker backend share: workloads that suit it, a scene to play in, and that nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.contract.containers import in_container, open_docker
from tests.contract.test_backends import run, until, workload
from tests.docker_engine import Engine
from tests.waiting import eventually

from mlserve.backends.base import Instance
from mlserve.backends.docker.backend import DockerBackend
from mlserve.workload import Workload

Wish = Callable[..., Workload]
Scenario = Callable[[DockerBackend], Awaitable[None]]


@pytest.fixture
def wish(program_image: str) -> Wish:
    return lambda behaviour="serve", count=1, **more: in_container(workload(behaviour, count, **more), program_image)


@pytest.fixture
def client(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    with closing(docker_engine.client()) as client:
        before = names(client)
        yield client
        assert names(client) == before, "it leaves what it found"
        assert [volume.name for volume in client.volumes.list()] == []


def names(client: docker.DockerClient) -> set[str]:
    return {container.name for container in client.containers.list(all=True, ignore_removed=True)}


@asynccontextmanager
async def opened(home: Path, engine: Engine, **more: Any) -> AsyncIterator[DockerBackend]:
    backend = open_docker(home, engine, **more)
    try:
        yield backend
    finally:
        for service in {instance.service for instance in await backend.instances()}:
            await backend.remove(service)
        await until(backend, lambda found: not found)
        await backend.close()


async def first(backend: DockerBackend, behaved: Callable[[Instance], bool]) -> Instance:
    (found,) = await until(backend, lambda found: bool(found) and behaved(found[0]))
    return found


async def ask(address: str) -> bytes:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n")[2]


async def answer(address: str) -> bytes:
    """What comes from a program that nobody waited for, once it is there."""
    return bytes(await eventually(partial(ask, address), f"an answer at {address}"))


def scenario(home: Path, engine: Engine, play: Scenario, **more: Any) -> None:
    async def played() -> None:
        async with opened(home, engine, **more) as backend:
            await play(backend)

    run(played())
