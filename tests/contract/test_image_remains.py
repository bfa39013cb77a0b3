"""What builds leave behind that were given up, or whose hub died: nothing. And whose name is whose."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.image_kit import HUB, build, clear, on, output, words
from tests.docker_engine import BASE
from tests.docker_engine import Engine as Daemon
from tests.waiting import until

from mlserve.backends.docker.backend import DockerBackend
from mlserve.backends.docker.building import Builder
from mlserve.backends.docker.engine import Engine
from mlserve.images.recipe import HUB as HUB_LABEL
from mlserve.images.recipe import Layer, Recipe


@pytest.fixture
def daemon(docker_engine: Daemon) -> Iterator[Daemon]:
    """The shared engine, which is left as it was found."""
    yield docker_engine
    clear(docker_engine)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return words(tmp_path)


@pytest.fixture
def endless(daemon: Daemon) -> Iterator[str]:
    """A base image on which the packages are never done."""
    python = "/usr/local/bin/python3"
    program = f"rm {python}; printf '#!/bin/sh\\necho waiting; exec sleep 600' > {python}; chmod 755 {python}"
    file = io.BytesIO(f"FROM {BASE}\nRUN {program}\n".encode())
    with closing(daemon.client()) as client:
        client.images.build(fileobj=file, tag="mlserve-test-endless", rm=True)
        yield "mlserve-test-endless"
        client.images.remove("mlserve-test-endless", force=True)


def test_a_build_that_nobody_waits_for_ends_and_leaves_nothing(
    daemon: Daemon, tmp_path: Path, recipe: Recipe, endless: str
) -> None:
    async def given_up(engine: Engine) -> None:
        begun = asyncio.Event()

        def say(line: str) -> None:
            if line == "waiting":
                begun.set()

        building = asyncio.create_task(Builder(engine, HUB).build(replace(recipe, base=endless), say))
        await asyncio.wait_for(begun.wait(), 60)
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building

    on(daemon, given_up, tmp_path)
    assert left_of_builds(daemon) == []


def left_of_builds(daemon: Daemon) -> list[str]:
    """What is there with our label and without a name, and the containers of steps."""
    label = f"{HUB_LABEL}={HUB}"
    with closing(daemon.client()) as client:
        images = client.api.images(filters={"dangling": True, "label": label})
        return [one["Id"] for one in (*images, *client.api.containers(all=True, filters={"label": label}))]


def test_the_next_hub_removes_what_a_build_left_when_its_hub_died(daemon: Daemon, tmp_path: Path) -> None:
    file = io.BytesIO(f"FROM {BASE}\nLABEL {HUB_LABEL}={HUB}\n".encode())
    with closing(daemon.client()) as client:
        client.images.build(fileobj=file, rm=True)
    assert len(left_of_builds(daemon)) == 1

    async def begin(engine: Engine) -> None:
        backend = DockerBackend(tmp_path / "backend", {}, engine, HUB)
        try:
            await asyncio.to_thread(until, lambda: not left_of_builds(daemon), "an engine without leftovers", 30)
        finally:
            await backend.close()

    on(daemon, begin, tmp_path)


def test_a_service_named_like_the_foundations_is_none(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    labels = {"mlserve.image.service": "foundation"}
    build(daemon, tmp_path, replace(recipe, tag="mlserve/foundation:1", labels=labels, port=2))
    other, _ = build(daemon, tmp_path, replace(recipe, port=3, model=Layer()))
    assert output(daemon, other.reference, "ls", "/mlserve").split() == ["code", "env", "requirements.txt"]
