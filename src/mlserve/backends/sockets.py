"""Who listens where, from the kernel's table of sockets. Pure: no I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

_LISTEN = "0A"


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """A TCP socket somebody listens on."""

    address: str
    port: int

    @property
    def on_loopback(self) -> bool:
        """Whether a connection to 127.0.0.1 reaches it."""
        return self.address == "127.0.0.1" or self.address == "[::ffff:127.0.0.1]" or self.everywhere

    @property
    def everywhere(self) -> bool:
        """Whether it takes connections from outside."""
        return self.address in ("0.0.0.0", "[::]")  # noqa: S104 - compared, not bound


def listening(table: str) -> Iterator[tuple[Socket, str]]:
    """Each listening socket of ``/proc/net/tcp`` or ``tcp6``, with its inode."""
    for line in table.splitlines():
        words = line.split()
        if len(words) > 9 and words[3] == _LISTEN:
            yield _socket(words[1]), words[9]


def _socket(word: str) -> Socket:
    digits, port = word.split(":")
    # The kernel prints each 32-bit word of the address in this machine's (little-endian) order.
    raw = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    address = ipaddress.ip_address(raw)
    return Socket(f"[{address}]" if address.version == 6 else str(address), int(port, 16))
