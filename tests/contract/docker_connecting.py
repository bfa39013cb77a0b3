"""Connections to engines for tests: opened and given up, and a server that is no engine."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlserve.backends.docker.engine import Engine, Pace, open_engine
from mlserve.errors import ResourceUnavailable

SOON = Pace(answer=1, healthy=0.2, first_retry=0.1, last_retry=0.2)


@asynccontextmanager
async def connected(home: Path, options: dict[str, str]) -> AsyncIterator[Engine]:
    opened = open_engine(options, home, pace=SOON)
    try:
        yield opened
    finally:
        await opened.discard()


async def version(opened: Engine) -> str:
    told: dict[str, Any] = await opened.call(lambda client: client.version())
    return str(told["Version"])


def refused(home: Path, options: dict[str, str]) -> ResourceUnavailable:
    """The error that the first call through a connection ends with."""

    async def scenario() -> ResourceUnavailable:
        async with connected(home, options) as opened:
            with pytest.raises(ResourceUnavailable) as caught:
                await version(opened)
            assert caught.value.message in opened.trouble
            return caught.value

    return asyncio.run(scenario())


@contextmanager
def plain_server(answer: bytes = b"hello") -> Iterator[int]:
    """An HTTP server without TLS; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def fetched(address: str) -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    return received.partition(b"\r\n\r\n")[2]


def answers(address: str) -> bool:
    try:
        return fetched(address) == b"hello"
    except OSError:
        return False
