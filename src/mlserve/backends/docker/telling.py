"""Bring containers that run what they are told anew: who may ask them, and whom they may ask."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mlserve.backends.base import Instance
from mlserve.backends.docker import tar_stream
from mlserve.backends.docker.engine import Engine
from mlserve.errors import NotFound
from mlserve.workload import TOLD

if TYPE_CHECKING:
    from docker import DockerClient

log = logging.getLogger(__name__)


class Telling:
    """What the containers of one engine were told last; one that a hub has not told yet is told once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: Mapping[str, Mapping[str, str]] = {}

    async def tell(self, texts: Sequence[tuple[Instance, Mapping[str, str]]]) -> None:
        """Have each of these instances know its text; of others nothing is kept. Raises ResourceUnavailable."""
        wanted = {one.container: text for one, text in texts if one.container}
        self._told = {container: text for container, text in self._told.items() if container in wanted}
        for container, text in wanted.items():
            if self._told.get(container) != text:
                await self._put(container, text)
                self._told = {**self._told, container: text}

    async def _put(self, container: str, texts: Mapping[str, str]) -> None:
        try:
            found = await self._engine.call(lambda client: client.api.inspect_container(container))
            owner = tar_stream.owner_of(str(found["Config"]["User"]), alone=True)
            for name, text in texts.items():
                content = tar_stream.of_text(name, text, owner)
                await self._engine.call(partial(_put_archive, container, content))
        except NotFound:  # it has ended meanwhile: the next start gets what counts then
            log.info("container %s is gone before it was told anew", container[:12])


def _put_archive(container: str, content: bytes, client: DockerClient) -> None:
    client.api.put_archive(container, TOLD, content)
