"""A hub that comes back, or an engine: what runs in containers is taken up, and nothing is there twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import docker
import pytest
from tests.contract.containers import bake, in_container, open_docker, program_image
from tests.contract.docker_kit import Wish, client, first, names, opened, scenario, wish
from tests.contract.test_backends import ready, run, until, workload
from tests.docker_engine import Engine
from tests.waiting import eventually

from mlserve.backends.base import Instance, State
from mlserve.backends.docker import labels
from mlserve.backends.docker.backend import DockerBackend

__all__ = ["client", "program_image", "wish"]


UNCLOSED = "ignore::pytest.PytestUnraisableExceptionWarning"
"""The SDK leaves the socket of a refused connection to be closed by the garbage collector."""


def test_the_next_hub_adopts_what_runs_without_restarting_it(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play() -> None:
        before = open_docker(tmp_path, docker_engine)
        await before.apply(wish(count=2))
        old = await until(before, ready(2))
        await before.close()
        async with opened(tmp_path, docker_engine) as after:
            assert {one.id for one in await after.instances()} == {one.id for one in old}, "at once"
            await after.apply(wish(count=2))
            new = await until(after, ready(2))
            assert {(one.container, one.address, one.restarts) for one in new} == {
                (one.container, one.address, one.restarts) for one in old
            }
            assert new[0].phases

    run(play())


def test_a_hub_that_lost_its_notes_finds_its_instances_by_their_labels(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play() -> None:
        before = open_docker(tmp_path / "lost", docker_engine)
        await before.apply(wish(count=2))
        old = await until(before, ready(2))
        await before.close()
        async with opened(tmp_path / "new", docker_engine, hub=before.hub) as after:
            found = await until(after, ready(2))
            assert {one.container for one in found} == {one.container for one in old}
            await after.apply(wish(count=2))
            assert [one.restarts for one in await until(after, ready(2))] == [0, 0]

    run(play())


def test_what_ended_while_no_hub_was_there_is_noticed_and_started_again(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play() -> None:
        before = open_docker(tmp_path, docker_engine)
        await before.apply(wish())
        (old,) = await until(before, ready(1))
        await before.close()
        client.containers.get(old.container).kill()
        async with opened(tmp_path, docker_engine) as after:
            await after.apply(wish())
            again = await first(after, lambda one: one.restarts == 1 and one.state is State.READY)
            assert again.evidence["exit"] == {"signal": 9}
            assert again.evidence["log"] == ["serving"]

    run(play())


def test_what_a_dying_hub_left_behind_is_cleared_by_the_next(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    program_image: str,
    wish: Wish,
) -> None:
    async def play(backend: DockerBackend) -> None:
        marks = labels.of_container(backend.hub, wish(), "iris-1-dead", 0)
        left = client.containers.create(program_image, ["sleep", "600"], labels=marks)
        await backend.apply(wish())
        await until(backend, ready(1))
        await eventually(lambda: left.name not in names(client), "its end")

    scenario(tmp_path, docker_engine, play)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_hub_that_dies_in_the_middle_of_a_start_leaves_nothing_twice(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish, after: float
) -> None:
    async def play() -> None:
        dying = open_docker(tmp_path, docker_engine)
        await dying.apply(wish(count=2))
        await asyncio.sleep(after)
        await dying.close()
        async with opened(tmp_path, docker_engine) as backend:
            await backend.apply(wish(count=2))
            mine = {"label": f"{labels.HUB}={backend.hub}"}

            async def nothing_twice() -> bool:
                known = {one.container for one in await until(backend, ready(2))}
                return {one.id for one in client.containers.list(all=True, ignore_removed=True, filters=mine)} == known

            await eventually(nothing_twice, "no container beside those of its two instances")

    run(play())


@pytest.mark.filterwarnings(UNCLOSED)
def test_an_engine_that_was_killed_is_taken_up_with_everything_it_took_along(
    fresh_engine: Engine, tmp_path: Path
) -> None:
    image = bake(fresh_engine)

    async def play(backend: DockerBackend) -> None:
        asked = in_container(workload(count=2), image)
        await backend.apply(asked)
        before = await until(backend, ready(2))
        await asyncio.to_thread(fresh_engine.kill)
        await eventually(lambda: backend.trouble, "word of the engine's death")
        assert [one.id for one in await backend.instances()] == [one.id for one in before], "as last seen"
        await asyncio.to_thread(fresh_engine.start)

        def again(found: Sequence[Instance]) -> bool:
            return ready(2)(found) and all(one.restarts == 1 for one in found)

        after = await until(backend, again)
        assert {one.id for one in after} == {one.id for one in before}
        assert all(one.evidence.get("engine_gone") for one in after)

    scenario(tmp_path, fresh_engine, play)
