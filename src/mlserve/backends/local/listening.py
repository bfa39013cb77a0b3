"""Which sockets a set of processes listens on, from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from mlserve.backends.sockets import Socket, listening


def sockets_of(pids: Collection[int]) -> tuple[Socket, ...]:
    """What these processes listen on."""
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    return tuple(sorted({socket for socket, inode in _listening() if inode in inodes}))


def owner_of(port: int) -> int | None:
    """The process that listens on a loopback port, where this user may see it."""
    inodes = {inode for socket, inode in _listening() if socket.port == port and socket.on_loopback}
    if not inodes:
        return None
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid in pids if inodes.intersection(_socket_inodes(pid))), None)


def _socket_inodes(pid: int) -> Iterator[str]:
    directory = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):
                target = os.readlink(f"{directory}/{name}")
                if target.startswith("socket:["):
                    yield target[8:-1]


def _listening() -> Iterator[tuple[Socket, str]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            yield from listening(Path(table).read_text())
