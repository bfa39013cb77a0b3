"""Ask an instance whether it answers."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass

PROXY_SECONDS = 0.3
"""How long a proxy takes at most to find that nobody listens behind it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one probe."""

    ok: bool
    detail: str
    alive: bool
    """Something answered, if only to say that it is not ready."""


async def probe(address: str, path: str | None, patience: float, *, behind_proxy: bool = False) -> Answer:
    """GET ``path`` of ``host:port`` (200 to 399 is ok), or only connect where there is none, within ``patience`` s.

    ``behind_proxy``: a connection that ends at once was the proxy's, which found nobody.
    """
    try:
        async with asyncio.timeout(patience):
            return await _ask(address, path, behind_proxy)
    except TimeoutError:
        return Answer(False, f"{address}{path or ''} gave no answer within {patience:g} s", alive=False)
    except OSError as exc:
        return Answer(False, f"{address}: {os.strerror(exc.errno) if exc.errno else exc}", alive=False)


async def _ask(address: str, path: str | None, behind_proxy: bool) -> Answer:
    # Plain socket calls: the hub asks hundreds of instances, and streams or a client library cost several times more.
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, (host, int(port)))
        if path is None:
            closed = behind_proxy and await _ends_at_once(connection)
            return Answer(not closed, f"{address} is {'closed' if closed else 'open'}", alive=not closed)
        request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: mlserve\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        head = b""
        while b"\r\n" not in head and (data := await loop.sock_recv(connection, 1024)):
            head += data
    if not head:
        return Answer(False, f"{address}: the connection was closed", alive=False)
    words = head.split(b"\r\n", 1)[0].split()
    status = words[1].decode(errors="replace") if len(words) > 1 and words[0].startswith(b"HTTP/") else "no HTTP"
    return Answer(len(status) == 3 and status[0] in "23", f"GET {path} answered {status}", alive=True)


async def _ends_at_once(connection: socket.socket) -> bool:
    try:
        async with asyncio.timeout(PROXY_SECONDS):
            return not await asyncio.get_running_loop().sock_recv(connection, 1)
    except TimeoutError:
        return False  # somebody holds it and waits for us to speak
