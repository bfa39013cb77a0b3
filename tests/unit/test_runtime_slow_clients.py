"""Clients that take their time: with a clock that the test moves on, so that nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mlserve.runtime.limits import Limits
from mlserve.runtime.listener import HttpServer

Story = Callable[[HttpServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def told(story: Story) -> None:
    """Run a client's story against a server whose ticks are ten seconds."""

    async def main() -> None:
        server = HttpServer(lambda request: request.reply(200, b"{}"), Limits(tick=10.0))
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        await story(server, reader, writer)
        writer.close()
        await writer.wait_closed()
        server.close()
        listener.close()
        await listener.wait_closed()

    asyncio.run(main())


async def arrived(server: HttpServer) -> None:
    while not server.busy:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"])
def test_half_a_request_is_408_in_the_end(sent: bytes) -> None:
    async def story(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await arrived(server)
        for _ in range(3):
            server.tick()
        assert server.connections
        server.tick()
        assert (await reader.read()).startswith(b"HTTP/1.1 408")

    told(story)


def test_an_idle_connection_is_kept_for_75_seconds_and_then_closed() -> None:
    async def story(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200")
        for _ in range(7):
            server.tick()
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200")
        for _ in range(8):
            server.tick()
        assert await reader.read() == b""

    told(story)
