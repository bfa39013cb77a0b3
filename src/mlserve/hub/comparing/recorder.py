"""Where the gateway's copies of requests arrive: a server of its own on a private unix socket.

A copy is answered when it was dealt with, and never at once. The gateway has only a few on their way at a time
(`mlserve.gateway.recording`), so this is what bounds how many requests a second are asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

from mlserve.gateway.recording import COMPARED_HEADER
from mlserve.hub.comparing.replay import MOST, Copy
from mlserve.hub.servers import second_server

Take = Callable[[list[str], Copy], Awaitable[None]]
"""What is done with a copy, and what it is for."""
_PACE = 0.2
"""Seconds that a copy takes at least: with four on their way, twenty requests a second at most are asked again."""


class Recorder:
    """Takes each copy, whatever comes of it: nobody reads its answers."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = time.monotonic()
        copy = await _copy(scope, receive)
        if copy is not None:
            await self._take(copy.header(COMPARED_HEADER.encode()).split(","), copy)
        await asyncio.sleep(max(begun + _PACE - time.monotonic(), 0.0))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def recording(at: Path, take: Take) -> AsyncIterator[None]:
    """Take copies at a unix socket meanwhile."""
    config = uvicorn.Config(
        Recorder(take), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, ws="none"
    )
    with _bound(at) as listener:
        async with second_server(config, listener):
            yield


@contextlib.contextmanager
def _bound(at: Path) -> Iterator[socket.socket]:
    at.unlink(missing_ok=True)  # of the hub before, which may have had no time to
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(at))
        listener.listen()
        try:
            yield listener
        finally:
            at.unlink(missing_ok=True)


async def _copy(scope: Scope, receive: Receive) -> Copy | None:
    """None: it is too large, or it broke off."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST:
            return None
    query = scope["query_string"]
    path = scope["raw_path"] + (b"?" + query if query else b"")
    return Copy(scope["method"], path, tuple(scope["headers"]), bytes(body))
