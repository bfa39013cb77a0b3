"""Which sockets a set of processes listens on, from /proc."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """A TCP socket somebody listens on."""

    address: str
    port: int

    @property
    def on_loopback(self) -> bool:
        """Whether a connection to 127.0.0.1 reaches it."""
        return self.address in ("127.0.0.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]")  # noqa: S104 - compared, not bound


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
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTEN:
                    yield _socket(words[1]), words[9]


def _socket(word: str) -> Socket:
    digits, port = word.split(":")
    # The kernel prints each 32-bit word of the address in this machine's (little-endian) order.
    raw = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    address = ipaddress.ip_address(raw)
    return Socket(f"[{address}]" if address.version == 6 else str(address), int(port, 16))
