"""`mlserve build`: a version's image, made and maybe sent to a registry, without a service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlserve.backends.aside import aside
from mlserve.backends.base import ImageBackend, Say
from mlserve.backends.choice import open_backend
from mlserve.descriptor import BACKENDS, Descriptor, parse
from mlserve.engines.choice import engine_of
from mlserve.errors import InvalidInput, ResourceUnavailable
from mlserve.hub.acceptance import Submission
from mlserve.hub.blueprints import Blueprint
from mlserve.hub.hub import Hub
from mlserve.hub.packing import Contents, left_out
from mlserve.hub.places import Place
from mlserve.hub.prepare import Preparer
from mlserve.hub.progress import PreparationFailed, Progress
from mlserve.hub.records import Version
from mlserve.hub.revising import same_but_count
from mlserve.images.naming import named
from mlserve.images.telltale import telltale

_KIND = "docker"
_SHOWN = "looks like a secret, and whoever gets the image can read it: give its values as processor_envs instead"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to build. ``tag``: ``repository[:tag]``; empty: the name that a service's own images have."""

    submission: Submission
    tag: str = ""
    resource: str = ""
    push: bool = False
    fresh: bool = False
    """Build each layer anew."""


@dataclass(frozen=True, slots=True)
class Build:
    """A wish that has been read."""

    wish: Wish
    version: Version
    blueprint: Blueprint
    tag: str


class Builds:
    """Builds images on the engines that a hub knows."""

    def __init__(self, hub: Hub, preparer: Preparer, home: Path) -> None:
        self._hub, self._preparer, self._home = hub, preparer, home

    def read(self, wish: Wish) -> Build:
        """Check a wish before anything is done for it; raises InvalidDescriptor, InvalidInput, NotFound."""
        descriptor = parse(dict(wish.submission.descriptor), supported=BACKENDS[_KIND]).descriptor
        engine = engine_of(descriptor)
        if not engine.packed:
            raise InvalidInput(
                f'"{descriptor.name}" brings an image of its own: there is nothing to build',
                hint="mlserve create runs it on a resource group that has a Docker engine",
            )
        if wish.push and not wish.tag:
            raise InvalidInput("where is it to be pushed?", hint="name it: --tag REGISTRY/NAME:TAG --push")
        if wish.resource and not self._hub.places.get(wish.resource).contained:
            raise InvalidInput(f'the resource group "{wish.resource}" has no images', hint=self._choices())
        number = self._number(descriptor, wish.submission)
        submission = wish.submission
        version = Version(
            descriptor.name, number, time.time(), submission.descriptor, submission.content, submission.base
        )
        return Build(wish, version, Blueprint(descriptor, engine), named(wish.tag, descriptor.name, number))

    async def run(self, build: Build, say: Say) -> dict[str, Any]:
        """What was made; raises BuildFailed, FetchFailed, ResourceUnavailable and what a preparation raises."""
        try:
            read = await self._preparer.read(build.version, build.blueprint, Progress(say=say))
        except PreparationFailed as exc:
            raise exc.error from exc
        contents = self._preparer.contents(build.version, build.blueprint, read)
        async with self._place(build) as place:
            return await self._made(build, contents, place, say)

    async def _made(self, build: Build, contents: Contents, place: Place, say: Say) -> dict[str, Any]:
        if not isinstance(place.backend, ImageBackend):
            raise InvalidInput(f'the resource group "{place.name}" has no images', hint=self._choices())
        recipe = await aside(partial(self._preparer.recipe, contents, place, build.tag))
        shown = await aside(lambda: [*telltale(recipe)])
        for path in shown:  # before it is pushed
            say(f"{path} goes into the image")
        image = await place.backend.build(recipe, say, fresh=build.wish.fresh)
        pushed = ""
        if build.wish.push:
            auth = build.blueprint.descriptor.docker_auth or ""
            pushed = await place.backend.push(image.reference, auth, say)
        return {
            "image": image.reference,
            "digest": pushed.partition("@")[2] or image.id,
            "pushed": pushed or None,
            "size": image.size,
            "layers": image.layers,
            "reused": image.reused,
            "resource": place.name,
            "port": recipe.port,
            "warnings": [*_warnings(left_out(contents.workload())), *map(_shown, shown)],
        }

    def _number(self, descriptor: Descriptor, submission: Submission) -> int:
        """The number of the version that this descriptor is, or would become."""
        service = self._hub.wishes.find(descriptor.name)
        if service is None:
            return 1
        newest = self._hub.wishes.version(service.name, service.latest)
        return newest.number if same_but_count(service, newest, submission, descriptor) else newest.number + 1

    @asynccontextmanager
    async def _place(self, build: Build) -> AsyncIterator[Place]:
        """The group that was named, else the descriptor's, else one of this hub's, else docker's own default."""
        places, wanted = self._hub.places, build.blueprint.descriptor.metadata.resource
        named = [places.find(word) for word in (build.wish.resource, wanted, places.default) if word]
        found = next((place for place in [*named, *places.all()] if place and place.contained), None)
        if found:
            found.require_there()
            yield found
            return
        backend = open_backend(_KIND, self._home / "builds", {}, "")
        try:
            await backend.capacity()
        except ResourceUnavailable as exc:
            raise ResourceUnavailable(
                f"there is no Docker engine to build with: {exc.message}",
                hint="mlserve resource add NAME --backend docker --host ssh://USER@HOST names one",
            ) from exc
        else:
            yield Place("docker", _KIND, backend)
        finally:
            await backend.close()

    def _choices(self) -> str:
        able = [place.name for place in self._hub.places.all() if place.contained]
        return f"choose one that has: {', '.join(able)}" if able else "mlserve resource add NAME --backend docker"


def _warnings(names: list[str]) -> list[Mapping[str, Any]]:
    if not names:
        return []
    given = " ".join(f"-e {name}" for name in names)
    message = f"not in the image, since they are secret: {', '.join(names)}; docker run {given} gives them to it"
    return [{"pointer": "/processor_envs", "code": "not-baked", "message": message}]


def _shown(path: str) -> Mapping[str, Any]:
    return {"pointer": "", "code": "secret-file", "message": f"{path} {_SHOWN}"}
