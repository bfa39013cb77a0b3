"""A slow line to a server, which can go silent or be cut at any moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

PIECE = 16_384


class Line:
    """A proxy on the loopback. ``passed`` counts the bytes that came from the server."""

    def __init__(self, server: str, bytes_per_second: float) -> None:
        self.passed = 0
        self.endpoint = ""
        self._server, self._pause = urlsplit(server), PIECE / bytes_per_second
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hang(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    async def _open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.endpoint = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
            try:
                await asyncio.gather(self._copy(reader, far_writer), self._count(far_reader, writer))
            finally:
                far_writer.close()
                writer.close()
        self._tasks.discard(task)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
            self.passed += len(data)
            await asyncio.sleep(self._pause)
        writer.close()


@contextmanager
def line(server: str, bytes_per_second: float) -> Iterator[Line]:
    """A line to ``http://host:port`` until the end of the block; each connection has that speed."""
    one = Line(server, bytes_per_second)
    thread = threading.Thread(target=one._loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(one._open(), one._loop).result(10)
    try:
        yield one
    finally:
        one.cut()
        one._loop.call_soon_threadsafe(one._loop.stop)
        thread.join(10)
        one._loop.close()
