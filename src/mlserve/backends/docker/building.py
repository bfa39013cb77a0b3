"""Build an image of ours on an engine, unless it has one of the same content already."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

from mlserve.backends.aside import aside
from mlserve.backends.base import Say
from mlserve.backends.docker import build_failures, images, registry
from mlserve.backends.docker.build_run import Run
from mlserve.backends.docker.engine import Engine
from mlserve.errors import FetchFailed, MlserveError
from mlserve.images.context import Entry, digest, foundation_key, of_foundation, of_image
from mlserve.images.dockerfile import dockerfile, foundation
from mlserve.images.recipe import DIGEST, FOUNDATION, HUB, Image, Recipe

log = logging.getLogger(__name__)

_TRIES, _PAUSE = 20, 0.5
"""How often, and how far apart in seconds, leftovers are looked for while the engine ends a build that was given up."""


class Builder:
    """Builds on one engine, one image at a time: the next one then finds the layers of the one before."""

    def __init__(self, engine: Engine, hub: str) -> None:
        self._engine, self._hub = engine, hub
        self._turn = asyncio.Lock()

    async def build(self, recipe: Recipe, say: Say, *, fresh: bool = False) -> Image:
        """An image of the recipe under its tag; raises BuildFailed, ResourceUnavailable."""
        if recipe.onto:
            recipe = replace(recipe, pinned=await self._base(recipe, say))
        content = await aside(lambda: digest(recipe))
        async with self._turn:
            found = await self._engine.call(lambda client: images.with_label(client, self._hub, DIGEST, content))
            if found and not fresh:
                say("the image is there already")
                return await self._named(found, recipe.tag, reused=True)
            try:
                below, key = await self._foundation(recipe, say, fresh=fresh)
                labels = {**recipe.labels, HUB: self._hub, DIGEST: content, FOUNDATION: key}
                context = of_image(recipe, dockerfile(recipe, below, labels))
                return await self._named(await self._made(recipe, context, say, fresh=fresh), recipe.tag, reused=False)
            except asyncio.CancelledError:
                await self._clear(_TRIES)
                raise
            finally:
                await self._clear()

    async def clear(self) -> None:
        """Free the disk of what builds left when an earlier hub died; raises ResourceUnavailable."""
        async with self._turn:
            await self._engine.call(lambda client: images.clear_leftovers(client, self._hub))

    async def remove_of(self, service: str) -> bool:
        """Remove what was built for a service; whether nothing of it is left."""
        async with self._turn:
            gone = await self._engine.call(lambda client: images.remove_of(client, self._hub, service))
            await self._clear()
            return gone

    async def _foundation(self, recipe: Recipe, say: Say, *, fresh: bool) -> tuple[str, str]:
        """The name and the key of what the image stands on, built where it is not there yet."""
        base = await self._base(recipe, say)
        key = await aside(lambda: foundation_key(recipe, base))
        found = await self._engine.call(lambda client: images.foundation(client, self._hub, key))
        if found and not fresh:
            return found, key
        marks = {HUB: self._hub, FOUNDATION: key}
        context = of_foundation(recipe, foundation(recipe, marks))
        made = await self._made(recipe, context, say, fresh=fresh)
        return (await self._named(made, f"{images.FOUNDATIONS}:{key}", reused=False)).reference, key

    async def _base(self, recipe: Recipe, say: Say) -> str:
        """The id of the base image, which is pulled where it is not there."""
        try:
            await registry.pull(self._engine, recipe.base, "", say)
        except FetchFailed as exc:
            raise build_failures.baseless(recipe, exc) from exc
        return await self._engine.call(lambda client: images.id_of(client, recipe.base))

    async def _made(self, recipe: Recipe, context: Iterator[Entry], say: Say, *, fresh: bool) -> str:
        """The id of what was built from a context."""
        run, loop = Run(recipe, context, fresh), asyncio.get_running_loop()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(say, line)

        try:
            return await self._engine.call(lambda client: run.build(client, tell), seconds=None)
        except asyncio.CancelledError:
            run.give_up()
            raise

    async def _named(self, image: str, tag: str, *, reused: bool) -> Image:
        return await self._engine.call(lambda client: images.named(client, self._hub, image, tag, reused=reused))

    async def _clear(self, tries: int = 1) -> None:
        """Free the disk of what no image stands on; the next build tries again where this one can't."""
        try:
            while not await self._engine.call(lambda client: images.clear_leftovers(client, self._hub)) and tries > 1:
                tries -= 1
                await asyncio.sleep(_PAUSE)
        except MlserveError as exc:
            log.warning("event=leftovers-stay engine=%s reason=%r", self._engine.target, exc.message)
