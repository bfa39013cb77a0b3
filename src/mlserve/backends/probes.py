"""Ask an instance whether it answers."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one probe."""

    ok: bool
    detail: str
    alive: bool
    """Something answered, if only to say that it is not ready."""


async def probe(port: int, path: str | None, patience: float) -> Answer:
    """GET ``path`` of 127.0.0.1 (200 is ok), or only connect when there is none. Takes at most ``patience`` seconds."""
    try:
        async with asyncio.timeout(patience):
            return await _ask(port, path)
    except TimeoutError:
        return Answer(False, f"127.0.0.1:{port}{path or ''} gave no answer within {patience:g} s", alive=False)
    except OSError as exc:
        return Answer(False, f"127.0.0.1:{port}: {os.strerror(exc.errno) if exc.errno else exc}", alive=False)


async def _ask(port: int, path: str | None) -> Answer:
    # Plain socket calls: the hub asks hundreds of instances, and streams or a client library cost several times more.
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", port))
        if path is None:
            return Answer(True, f"127.0.0.1:{port} is open", alive=True)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: mlserve\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        head = b""
        while b"\r\n" not in head and (data := await loop.sock_recv(connection, 1024)):
            head += data
    words = head.split(b"\r\n", 1)[0].split()
    status = words[1].decode(errors="replace") if len(words) > 1 and words[0].startswith(b"HTTP/") else "no HTTP"
    return Answer(status == "200", f"GET {path} answered {status}", alive=bool(head))
