"""The servers of the management API: one for this machine, whose end is the hub's, and one for others where wished."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """uvicorn, ended through the API as well as by a signal."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(_config(app))
        self.stop_all = False
        app.state.stop = self.stop

    def stop(self, everything: bool) -> None:
        """End after the answers under way were sent."""
        self.stop_all = everything
        self.should_exit = True


class _Second(uvicorn.Server):
    """Signals are the first one's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def open_to_others(
    app: FastAPI, listener: socket.socket | None, context: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """The same API at a second address, with TLS where there is a ``context``."""
    if listener is None:
        yield
        return
    config = _config(app)
    config.load()
    config.ssl = context
    async with second_server(config, listener):
        yield


@contextlib.asynccontextmanager
async def second_server(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[None]:
    """One more server at a socket meanwhile."""
    server = _Second(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, lifespan="off")
