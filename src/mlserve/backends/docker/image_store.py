"""What a place of containers does with images: build, pull, push, and clear away those of a service that is gone."""

from __future__ import annotations

import asyncio
import logging

from mlserve.backends.base import Say
from mlserve.backends.docker import registry
from mlserve.backends.docker.building import Builder
from mlserve.backends.docker.engine import Engine
from mlserve.errors import MlserveError
from mlserve.images.recipe import SERVICE, Image, Recipe

log = logging.getLogger(__name__)

_PAUSE = 1.0
_TRIES = 120
"""Containers of the service may take as long to drain."""


class ImageStore:
    """The images of one hub on one engine. Made inside a running event loop."""

    def __init__(self, engine: Engine, hub: str) -> None:
        self._engine = engine
        self._builder = Builder(engine, hub)
        self._forgetting: dict[str, asyncio.Task[None]] = {}

    async def pull(self, image: str, auth: str, say: Say) -> str:
        """Have an image there; raises FetchFailed, ResourceUnavailable."""
        return await registry.pull(self._engine, image, auth, say)

    async def identify(self, image: str) -> str:
        """The id of an image that is there; raises FetchFailed, ResourceUnavailable."""
        return await registry.identify(self._engine, image)

    async def build(self, recipe: Recipe, say: Say, *, fresh: bool = False) -> Image:
        """Have an image of a recipe there; raises BuildFailed, ResourceUnavailable."""
        await self._remember(recipe.labels.get(SERVICE, ""))
        return await self._builder.build(recipe, say, fresh=fresh)

    async def push(self, image: str, auth: str, say: Say) -> str:
        """Send an image to its registry, and return ``name@sha256:…``; raises FetchFailed, ResourceUnavailable."""
        return await registry.push(self._engine, image, auth, say)

    async def clear(self) -> None:
        """Remove what builds left when an earlier hub died; raises ResourceUnavailable."""
        await self._builder.clear()

    def forget(self, service: str) -> None:
        """A service is gone: so are the images that were built for it, once no container stands on them."""
        if service not in self._forgetting:
            task = asyncio.create_task(self._forget(service), name=f"forget the images of {service}")
            self._forgetting[service] = task
            task.add_done_callback(lambda _: self._forgetting.pop(service, None))

    async def close(self) -> None:
        """Stop clearing away."""
        for service in list(self._forgetting):
            await self._remember(service)

    async def _remember(self, service: str) -> None:
        """A service of this name comes again: what lies there may be of use to it."""
        task = self._forgetting.get(service)
        if task:
            task.cancel()
            await asyncio.wait([task])

    async def _forget(self, service: str) -> None:
        try:
            for _ in range(_TRIES):
                if await self._builder.remove_of(service):
                    return
                await asyncio.sleep(_PAUSE)
        except MlserveError as exc:
            log.warning("event=images-stay service=%s reason=%r", service, exc.message)
