"""Read the gateway's notes as they grow, and keep the file small: exactly once, whoever of hub and Envoy dies when."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from mlserve.hub.arms.ledger import Ledger, Position
from mlserve.hub.arms.lines import read

_AT_ONCE = 1 << 20
_LARGE = 16 * 1024 * 1024
"""Bytes after which the gateway is to begin another file."""


class Notes:
    """The file at ``path``, and beside it the former one while the gateway may still write to that.

    ``begin_anew`` has the gateway open its file again. A file that was renamed is done with as soon as there is a new
    one, and is deleted once all of it was read; until then both a dead hub and a dead gateway change nothing.
    """

    def __init__(
        self, path: Path, ledger: Ledger, begin_anew: Callable[[], Awaitable[None]], large: int = _LARGE
    ) -> None:
        self._path, self._former = path, path.with_suffix(".log.1")
        self._ledger, self._begin_anew, self._large = ledger, begin_anew, large
        self._lock = asyncio.Lock()

    async def follow(self) -> None:
        """Take what was added since the last time; raises GatewayFailed where the gateway can't be told to go on."""
        async with self._lock:
            if not self._former.exists():
                await asyncio.to_thread(self._drain, self._path)
                if self._size() < self._large:
                    return
                self._path.rename(self._former)
            await self._finish_former()

    async def _finish_former(self) -> None:
        if not self._path.exists():
            await self._begin_anew()
        begun = self._path.exists()  # asked before what is left is read: no line comes to the former one after that
        await asyncio.to_thread(self._drain, self._former)
        if begun:
            self._path.chmod(0o600)
            self._former.unlink()
            await asyncio.to_thread(self._drain, self._path)

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def _drain(self, path: Path) -> None:
        """Whole lines only: the last one may still be written."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            found = os.fstat(file.fileno())
            known = self._ledger.position()
            offset = known.offset if known.inode == found.st_ino and known.offset <= found.st_size else 0
            file.seek(offset)
            while len(lines := file.read(_AT_ONCE).rpartition(b"\n")[0]):
                offset += len(lines) + 1
                file.seek(offset)
                asked = [one for line in lines.split(b"\n") if (one := read(line))]
                self._ledger.take(asked, Position(found.st_ino, offset))
