"""Free ports of the loopback address for instances."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Container
from pathlib import Path

from mlserve.errors import NoCapacity

SPAN = 12000
TRIES = 500


def free_port(taken: Container[int]) -> int:
    """A port nobody listens on and no instance was given; below those that outgoing connections use."""
    low = max(_ephemeral_start() - SPAN, 1024)
    for _ in range(TRIES):
        port = random.randrange(low, low + SPAN)  # noqa: S311 - nothing secret about it
        if port not in taken and _is_free(port):
            return port
    raise NoCapacity(
        f"no free port between {low} and {low + SPAN} on 127.0.0.1",
        hint="stop what listens there: ss -ltn shows it",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError as exc:
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 32768
