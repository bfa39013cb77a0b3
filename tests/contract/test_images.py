"""Images of ours on a real engine: built, built again, used, sent away and brought back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.docker_engine import BASE
from tests.docker_engine import Engine as Daemon

from mlserve.backends.docker.building import Builder
from mlserve.backends.docker.contexts import find
from mlserve.backends.docker.engine import Engine
from mlserve.images.recipe import PYTHON, Image, Layer, Recipe

HUB = "0123456789abcdef"
Result = TypeVar("Result")


def on(daemon: Daemon, work: Callable[[Engine], Awaitable[Result]], home: Path) -> Result:
    """What a piece of work does with the engine."""

    async def run() -> Result:
        engine = Engine(find({"host": daemon.host}, {}), home)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("print(open('/mlserve/model/words').read())\n")
    (tmp_path / "words").write_text("first")
    return Recipe(
        "mlserve/words:1",
        BASE,
        code=Layer({"/mlserve/code": str(tmp_path / "code")}),
        model=Layer({"/mlserve/model/words": str(tmp_path / "words")}),
        command=(PYTHON, "/mlserve/code/main.py"),
        environment={"SAID": 'a "word" for $HOME, \\n as it is'},
        workdir="/mlserve/code",
        labels={"mlserve.image.service": "words"},
    )


def build(daemon: Daemon, home: Path, recipe: Recipe, **options: Any) -> tuple[Image, list[str]]:
    lines: list[str] = []
    image = on(daemon, lambda engine: Builder(engine, HUB).build(recipe, lines.append, **options), home)
    return image, lines


def output(daemon: Daemon, image: str, *command: str, **options: Any) -> str:
    with closing(daemon.client()) as client:
        told = client.containers.run(image, list(command) or None, remove=True, network_mode="none", **options)
        return bytes(told).decode().strip()


def test_an_image_holds_all_that_it_needs(docker_engine: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    image, lines = build(docker_engine, tmp_path, recipe)
    assert image.reference == "mlserve/words:1"
    assert any(line.startswith("Step 1/") for line in lines)
    assert output(docker_engine, image.reference) == "first"
