"""Ask Envoy's admin interface, over its private unix socket. The only file that speaks to it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from pathlib import Path

from mlserve.errors import GatewayFailed

_LONGEST = 100
"""Bytes; the system's own limit for a unix socket's path is 107 (Linux) or 103 (macOS)."""


class AdminSilent(GatewayFailed):
    """Nothing answers on the admin socket: Envoy is not running, just starting, or frozen."""


class Admin:
    """One request per connection, which costs Envoy and us well under a millisecond."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    async def get(self, path: str, *, patience: float = 5.0) -> str:
        """The body of ``GET path``. Raises AdminSilent, and GatewayFailed for any status but 200."""
        return await self._ask("GET", path, patience)

    async def post(self, path: str, *, patience: float = 5.0) -> str:
        """The body of ``POST path``; what changes Envoy is asked this way."""
        return await self._ask("POST", path, patience)

    async def answers(self, *, within: float) -> bool:
        """Whether Envoy's main loop turns."""
        try:
            await self.get("/server_info", patience=within)
        except GatewayFailed:
            return False
        return True

    async def numbers(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the regular expression."""
        lines = (line.rpartition(": ") for line in await self._stats(pattern))
        return {name: int(value) for name, _, value in lines if value.isdecimal()}

    async def texts(self, pattern: str) -> dict[str, str]:
        """All that matches the regular expression, numbers too, as text."""
        return {
            name: value.strip('"') for name, _, value in (line.partition(": ") for line in await self._stats(pattern))
        }

    async def histograms(self, pattern: str) -> list[str]:
        """Those whose names match the regular expression, a line each, with what every bucket has counted."""
        return await self._stats(pattern, "histogram_buckets=cumulative&")

    async def _stats(self, pattern: str, form: str = "") -> list[str]:
        quoted = "".join(f"%{byte:02x}" for byte in pattern.encode())
        return (await self.get(f"/stats?{form}filter={quoted}")).splitlines()

    async def _ask(self, method: str, path: str, patience: float) -> str:
        try:
            async with asyncio.timeout(patience):
                head, body = await self._exchange(
                    f"{method} {path} HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n"
                )
        except (OSError, EOFError, TimeoutError) as exc:
            raise AdminSilent(
                f"Envoy does not answer on {self.socket} ({exc or type(exc).__name__})",
                hint="the gateway is started again by the hub; mlserve hub status shows it",
            ) from exc
        status = int(head.split(maxsplit=2)[1])
        if status != 200:
            raise GatewayFailed(f"Envoy answered {method} {path} with {status}: {body.strip()}")
        return body

    async def _exchange(self, request: str) -> tuple[str, str]:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(request.encode())
            answer = await reader.read(-1)
        finally:
            writer.close()
        head, separator, body = answer.partition(b"\r\n\r\n")
        if not separator:
            raise EOFError("the connection was closed before an answer came")
        chunked = b"transfer-encoding: chunked" in head.lower()
        return head.decode(), (_joined(body) if chunked else body).decode()


def _joined(chunked: bytes) -> bytes:
    """The body without its chunk sizes."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = chunked.index(b"\r\n", at)
        size = int(chunked[at:end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(chunked[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def admin_socket(directory: Path) -> Path:
    """Where the admin socket of a gateway directory lies: inside, or in a short directory where that is too long."""
    inside = directory / "admin.sock"
    if len(os.fsencode(inside)) <= _LONGEST:
        return inside
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(f"/tmp/mlserve-{os.getuid()}-{name}/admin.sock")  # noqa: S108 - make_private checks it


def make_private(directory: Path) -> None:
    """Make the socket's directory, and make sure that it is ours alone: in /tmp, anyone may have made it before us."""
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        found = directory.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
        if not ours:
            raise GatewayFailed(
                f"{directory} exists and is not private to this user, so Envoy's admin socket can't go there",
                hint=f"remove {directory}, or choose a shorter MLSERVE_HOME",
            ) from None
