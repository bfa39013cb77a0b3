"""Build an image of ours on an engine, unless it has one of the same content already."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlserve.backends.aside import aside
from mlserve.backends.base import Say
from mlserve.backends.docker import build_failures, images
from mlserve.backends.docker.engine import Engine
from mlserve.errors import MlserveError
from mlserve.images.context import archive, digest, entries
from mlserve.images.dockerfile import dockerfile
from mlserve.images.recipe import DIGEST, HUB, Image, Recipe

log = logging.getLogger(__name__)

_KEPT_LINES = 40
_STEP = re.compile(r"Step \d+/\d+ : ")


class Builder:
    """Builds on one engine, one image at a time: the next one then finds the layers of the one before."""

    def __init__(self, engine: Engine, hub: str) -> None:
        self._engine, self._hub = engine, hub
        self._turn = asyncio.Lock()

    async def build(self, recipe: Recipe, say: Say, *, fresh: bool = False) -> Image:
        """An image of the recipe under its tag; raises BuildFailed, ResourceUnavailable."""
        content = await aside(lambda: digest(recipe))
        async with self._turn:
            found = await self._engine.call(lambda client: images.of_content(client, self._hub, content))
            if found and not fresh:
                say("the image is there already")
                return await self._named(recipe, found, reused=True)
            run = _Run(recipe, {HUB: self._hub}, {**recipe.labels, DIGEST: content}, fresh)
            try:
                return await self._named(recipe, await self._made(run, say), reused=False)
            finally:
                await self._clear()

    async def remove_of(self, service: str) -> bool:
        """Remove what was built for a service; whether nothing of it is left."""
        async with self._turn:
            gone = await self._engine.call(lambda client: images.remove_of(client, self._hub, service))
            await self._clear()
            return gone

    async def _clear(self) -> None:
        """Free the disk of what no image stands on; the next build tries again where this one can't."""
        try:
            await self._engine.call(lambda client: images.clear_leftovers(client, self._hub))
        except MlserveError as exc:
            log.warning("event=leftovers-stay engine=%s reason=%r", self._engine.target, exc.message)

    async def _made(self, run: _Run, say: Say) -> str:
        loop = asyncio.get_running_loop()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(say, line)

        try:
            return await self._engine.call(lambda client: run.build(client, tell), seconds=None)
        finally:
            run.unwanted.set()

    async def _named(self, recipe: Recipe, image: str, *, reused: bool) -> Image:
        return await self._engine.call(lambda client: images.named(client, self._hub, image, recipe.tag, reused=reused))


@dataclass
class _Run:
    """One build, in a thread of its own."""

    recipe: Recipe
    marks: Mapping[str, str]
    labels: Mapping[str, str]
    fresh: bool
    unwanted: threading.Event = field(default_factory=threading.Event)
    """Nobody waits for it any more."""
    step: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def build(self, client: Any, say: Say) -> str:
        """The id of the image."""
        text = dockerfile(self.recipe, self.marks, self.labels)
        context = archive(entries(self.recipe, text))
        stream = client.api.build(
            fileobj=context, custom_context=True, decode=True, rm=True, forcerm=True, nocache=self.fresh, timeout=None,
            network_mode="none" if self.recipe.offline else None,
        )  # fmt: skip
        made = ""
        for event in stream:
            if self.unwanted.is_set():
                break  # letting go of the connection ends the build
            self._failed(event)
            made = str((event.get("aux") or {}).get("ID") or made)
            for line in _text(event):
                self._note(line)
                say(line)
        if not made:
            raise build_failures.failed(self.recipe, self.step, list(self.lines), "the engine ended the build")
        return made

    def _note(self, line: str) -> None:
        if _STEP.match(line):
            self.step = _STEP.sub("", line)
            self.lines.clear()
        elif line:
            self.lines.append(line)

    def _failed(self, event: Mapping[str, Any]) -> None:
        detail = event.get("errorDetail") or {}
        error = str(event.get("error") or detail.get("message") or "")
        if error:
            raise build_failures.failed(self.recipe, self.step, list(self.lines), error)


def _text(event: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an event; of what is pulled for it only what is new."""
    if "status" in event and not event.get("progressDetail"):
        yield " ".join(filter(None, [str(event.get("id") or ""), str(event["status"])]))
    yield from (line.rstrip() for line in str(event.get("stream") or "").splitlines() if line.strip())
