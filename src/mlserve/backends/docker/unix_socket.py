"""The SDK's way through a Unix socket, with one pool for all calls, and closed where it can't be opened."""

from __future__ import annotations

import socket
from typing import Any

from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool


class Connection(UnixHTTPConnection):
    """A connection that leaves no socket behind when nobody answers."""

    def connect(self) -> None:
        """Open it; raises OSError."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(self.timeout)
        try:
            opened.connect(self.unix_socket)
        except OSError:
            opened.close()
            raise
        self.sock = opened


class Pool(UnixHTTPConnectionPool):
    """Connections of this kind."""

    def __init__(self, path: str, seconds: int, size: int) -> None:
        super().__init__("http+docker://localhost", path, seconds, maxsize=size)
        self._seconds = seconds

    def _new_conn(self) -> Connection:  # type: ignore[override] # the SDK's own is no more of the base's kind
        return Connection(self.base_url, self.socket_path, self._seconds)


class Adapter(UnixHTTPAdapter):
    """What the SDK's session sends by; the SDK's own has a pool for each address."""

    def __init__(self, path: str, seconds: int, size: int) -> None:
        super().__init__(f"http+unix://{path}", seconds, max_pool_size=size)
        self._pool = Pool(self.socket_path, seconds, size)

    def get_connection(self, url: str | bytes, proxies: Any = None) -> Pool:
        """The pool; every address is this one socket's."""
        return self._pool

    def close(self) -> None:
        """Close what is open and unused."""
        self._pool.close()
        super().close()
