"""What tests of images on a real engine have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from tests.docker_engine import BASE
from tests.docker_engine import Engine as Daemon

from mlserve.backends.docker.building import Builder
from mlserve.backends.docker.contexts import find
from mlserve.backends.docker.engine import Engine
from mlserve.images.recipe import HUB as HUB_LABEL
from mlserve.images.recipe import PYTHON, Image, Layer, Recipe

HUB, OTHER_HUB = "0123456789abcdef", "fedcba9876543210"
Result = TypeVar("Result")


def words(folder: Path) -> Recipe:
    """An image that needs no package, and prints its model."""
    (folder / "code").mkdir()
    (folder / "code" / "main.py").write_text("print(open('/mlserve/model/words').read())\n")
    (folder / "words").write_text("first")
    return Recipe(
        "mlserve/words:1",
        BASE,
        code=Layer({"/mlserve/code": str(folder / "code")}),
        model=Layer({"/mlserve/model/words": str(folder / "words")}),
        command=(PYTHON, "/mlserve/code/main.py"),
        environment={"SAID": 'a "word" for $HOME, \\n as it is'},
        workdir="/mlserve/code",
        labels={"mlserve.image.service": "words"},
    )


def clear(daemon: Daemon) -> None:
    """Remove the images of both hubs, whatever they are called."""
    with closing(daemon.client()) as client:
        for hub in (HUB, OTHER_HUB):
            ours = client.api.images(filters={"label": f"{HUB_LABEL}={hub}"})
            names = [name for image in ours for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ()))]
            for name in names:
                if "<none>" not in name and client.images.list(filters={"reference": name}):
                    client.api.remove_image(name, force=True)


def on(daemon: Daemon, work: Callable[[Engine], Awaitable[Result]], home: Path) -> Result:
    """What a piece of work does with the engine."""

    async def run() -> Result:
        engine = Engine(find({"host": daemon.host}, {}), home)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def build(daemon: Daemon, home: Path, recipe: Recipe, hub: str = HUB, **options: Any) -> tuple[Image, list[str]]:
    lines: list[str] = []
    image = on(daemon, lambda engine: Builder(engine, hub).build(recipe, lines.append, **options), home)
    return image, lines


def output(daemon: Daemon, image: str, *command: str) -> str:
    with closing(daemon.client()) as client:
        told = client.containers.run(image, list(command) or None, remove=True, network_mode="none", read_only=True)
        return bytes(told).decode().strip()


def layers(daemon: Daemon, image: str) -> list[str]:
    with closing(daemon.client()) as client:
        return list(client.api.inspect_image(image)["RootFS"]["Layers"])


def tags(daemon: Daemon) -> set[str]:
    with closing(daemon.client()) as client:
        return {tag for image in client.api.images() for tag in image["RepoTags"] or ()}
