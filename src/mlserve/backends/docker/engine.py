"""One Docker engine as the backend uses it: calls with a time limit, trouble in words, back again by itself."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlserve.backends.aside import aside
from mlserve.backends.docker import refusals, troubles
from mlserve.backends.docker.connect import connect, failures, refusal
from mlserve.backends.docker.contexts import find
from mlserve.backends.docker.ssh import START_SECONDS
from mlserve.backends.docker.streams import close_soon, follow
from mlserve.backends.docker.target import LOOPBACK, Target
from mlserve.backends.docker.tunnel import Tunnel
from mlserve.errors import MlserveError, ResourceUnavailable

if TYPE_CHECKING:
    from docker import DockerClient

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an engine is looked at, in seconds."""

    answer: int = 5
    """An engine that does not say within this time that it is there, is not."""
    first_answer: float = 12.0
    """How long the first call waits for the first connection."""
    healthy: float = 3.0
    first_retry: float = 0.25
    last_retry: float = 5.0


def open_engine(options: Mapping[str, str], home: Path, *, pace: Pace | None = None) -> Engine:
    """The engine that a resource group's options mean; raises InvalidInput. It is made whether it answers or not."""
    return Engine(find(options, os.environ), home, pace=pace)


class Engine:
    """The engine of one resource group. Made inside a running event loop, and connects by itself.

    While it can't be reached, `trouble` says why, each call raises that at once, and it is tried again, ever more
    rarely. Nothing here keeps the event loop waiting.
    """

    def __init__(self, target: Target, home: Path, *, pace: Pace | None = None) -> None:
        self.target = target
        self.trouble = f"the hub is still connecting to the Docker engine at {target}"
        """Why it can't be asked now, with what to do next; empty when all is well."""
        self.changed = asyncio.Event()
        """Set when it went away or came back; who waits for it clears it."""
        self.address = target.address or LOOPBACK
        """The IP of its machine that ports are to be published on."""
        self._pace = pace or Pace()
        self._tunnel = Tunnel(target, home / "tunnel", self.suspect) if target.scheme == "ssh" else None
        self._client: DockerClient | None = None
        self._error: ResourceUnavailable | None = None
        self._streams: set[Any] = set()
        self._asked, self._looked = asyncio.Event(), asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(), name=f"engine {target}")

    @property
    def warning(self) -> str:
        """What whoever adds this engine should know about its ports; empty where there is nothing."""
        if self.target.scheme == "tcp" and self.address != LOOPBACK:
            return (
                f"instances publish their ports on {self.address}, where everybody who reaches that address can use "
                "them without a token; ssh:// keeps them on the engine's own loopback"
            )
        return ""

    async def call(self, function: Callable[[DockerClient], Result], *, seconds: float | None = 30.0) -> Result:
        """What a function of the SDK's client returns; it runs in a thread of its own.

        Raises ResourceUnavailable where the engine is away or slower than ``seconds`` (None: no limit, for pulls and
        builds); other answers that are errors as `refusals.refused` translates them, the SDK's own as ``__cause__``.
        """
        client = await self._connected()
        try:
            async with asyncio.timeout(seconds):
                return await aside(lambda: function(client))
        except TimeoutError as exc:
            self.suspect()
            raise troubles.too_slow(seconds or 0, self.target) from exc
        except Exception as exc:
            raise self._ours(exc) from exc

    async def reach(self, port: int) -> str:
        """``host:port`` of this machine by which a port published on `address` is reached; the same for each call."""
        if self._tunnel and not self.target.address:
            return await self._tunnel.reach(port)
        return f"{self.address}:{port}"

    def forget(self, port: int) -> None:
        """The port is published no more."""
        if self._tunnel:
            self._tunnel.forget(port)

    async def events(self, filters: Mapping[str, Any] | None = None) -> AsyncIterator[dict[str, Any]]:
        """What happens in the engine, from now on. Ends with ResourceUnavailable when the engine goes away."""
        async for event in self.stream(lambda client: client.events(decode=True, filters=dict(filters or {}))):
            yield event
        self.suspect()
        raise ResourceUnavailable(f"the Docker engine at {self.target} ended its stream of events")

    async def stream(self, opening: Callable[[DockerClient], Any]) -> AsyncGenerator[Any, None]:
        """The items of a stream of the SDK's; errors are those of `call`, also when the engine goes away meanwhile."""
        opened = await self.call(opening)
        self._streams.add(opened)
        try:
            async for item in follow(opened):
                yield item
        except Exception as exc:
            raise self._ours(exc) from exc
        finally:
            self._streams.discard(opened)

    def suspect(self) -> None:
        """Something looked as if the engine were gone: look now."""
        self._asked.set()

    async def close(self) -> None:
        """Let go of it; a tunnel stays, since what runs there goes on serving, and the next hub adopts it."""
        self._keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeping
        if self._client:
            self._client.close()
            self._client = None
        if self._tunnel:
            self._tunnel.close()

    async def discard(self) -> None:
        """`close`, and end the tunnel, too: nothing there is of use any more."""
        await self.close()
        if self._tunnel:
            await self._tunnel.end()

    async def _connected(self) -> DockerClient:
        try:
            async with asyncio.timeout(self._pace.first_answer):
                await self._looked.wait()
        except TimeoutError as exc:
            raise troubles.too_slow(self._pace.first_answer, self.target) from exc
        if self._error:
            raise ResourceUnavailable(self._error.message, hint=self._error.hint)
        if self._client is None:
            raise ResourceUnavailable(f"the connection to the Docker engine at {self.target} was closed")
        return self._client

    async def _keep(self) -> None:
        pause = self._pace.first_retry
        while True:
            self._asked.clear()
            error = await self._look()
            self._say(error)
            pause = min(pause * 2, self._pace.last_retry) if error else self._pace.first_retry
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if error else self._pace.healthy):
                    await self._asked.wait()

    async def _look(self) -> ResourceUnavailable | None:
        try:
            async with asyncio.timeout(self._pace.answer * 3 + (START_SECONDS if self._tunnel else 0)):
                await self._ask()
        except TimeoutError:
            return troubles.too_slow(self._pace.answer, self.target)
        except ResourceUnavailable as exc:
            return exc
        except failures() as exc:
            found = troubles.unreachable(exc, self.target, await aside(self._group))
            return await self._tunnel.explained(found) if self._tunnel else found
        return None

    async def _ask(self) -> None:
        socket_path = await self._tunnel.open() if self._tunnel else self.target.path
        if self.target.scheme == "tcp" and not self.target.address:
            self.address = await aside(lambda: socket.gethostbyname(self.target.name))
        if self._client is None or self._error:
            fresh = await aside(lambda: connect(self.target, socket_path, self._pace.answer))
            old, self._client = self._client, fresh
            if old:
                await aside(old.close)
            return
        client = self._client
        async with asyncio.timeout(self._pace.answer):
            await aside(client.ping)

    def _say(self, error: ResourceUnavailable | None) -> None:
        before, self._error = self.trouble, error
        self.trouble = f"{error.message} ({error.hint})" if error and error.hint else error.message if error else ""
        first = not self._looked.is_set()
        self._looked.set()
        if self.trouble == before and not first:
            return
        if error:
            self._end_streams()
            log.warning("event=engine-away engine=%s reason=%r", self.target, error.message)
        else:
            log.info("event=engine-there engine=%s", self.target)
        self.changed.set()

    def _end_streams(self) -> None:
        """A stream from a machine that went away would stay silent for ever."""
        for stream in list(self._streams):
            close_soon(stream)

    def _ours(self, error: Exception) -> Exception:
        """A failed call as our error; what is no answer of the engine makes us look whether it is still there."""
        if isinstance(error, MlserveError):
            return error
        answer = refusal(error)
        if answer:
            return refusals.refused(*answer, self.target)
        if isinstance(error, failures()):
            self.suspect()
            return troubles.unreachable(error, self.target)
        return error

    def _group(self) -> str:
        """Who owns the socket, for whoever may not use it."""
        try:
            return grp.getgrgid(os.stat(self.target.path).st_gid).gr_name
        except (OSError, KeyError):
            return "docker"
