"""Clients that take their time: with a clock that the test moves on, so that nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from mlserve.runtime.http.limits import Limits
from mlserve.runtime.http.listener import HttpServer
from mlserve.runtime.http.request import Request
from mlserve.runtime.http2 import frames

LARGE = bytes(64 << 20)
Story = Callable[[HttpServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _answer(request: Request) -> None:
    """/big has a large reply, /never none."""
    if request.path != "/never":
        request.reply(200, LARGE if request.path == "/big" else b"{}")


def told(story: Story) -> None:
    """Run a client's story against a server whose ticks are ten seconds."""

    async def main() -> None:
        server = HttpServer(_answer, Limits(tick=10.0, body=1 << 20))
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        await story(server, reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        listener.close()
        await listener.wait_closed()

    asyncio.run(main())


async def arrived(server: HttpServer) -> None:
    while not server.busy:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.001)


async def gone(server: HttpServer) -> None:
    async with asyncio.timeout(10):
        while server.connections:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"]
)
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
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200")
        for _ in range(7):
            server.tick()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200")
        for _ in range(8):
            server.tick()
        assert await reader.read() == b""

    told(story)


def test_a_client_that_reads_slowly_gets_it_all_and_one_that_stops_is_left() -> None:
    async def story(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(20):  # 200 seconds
            await reader.readexactly(2 << 20)
            server.tick()
        assert server.connections
        for _ in range(8):
            server.tick()
        await gone(server)

    told(story)


@pytest.mark.parametrize(
    "sent", [b"0\r\n" + b"a: b\r\n" * 30_000, b"0\r\na: " + b"b" * 200_000, b"1;" + b"e" * 200_000]
)
def test_endless_trailers_and_chunk_extensions_are_431(sent: bytes) -> None:
    async def story(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")

    told(story)


def test_bodies_that_wait_behind_another_request_are_not_all_read() -> None:
    async def story(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = b"POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000)
        writer.write(request * 60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.5)
        writer.transport.abort()
        server.close()
        await gone(server)

    told(story)


def test_a_header_block_in_single_bytes_has_as_long_as_any_head() -> None:
    async def story(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frames.PREFACE + frames.settings({}))
        await reader.readexactly(9)
        for byte in frames.head(100, frames.HEADERS, frames.END_HEADERS, 1)[:6]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.05)
            server.tick()
        await gone(server)

    told(story)
