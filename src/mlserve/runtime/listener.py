"""The clients of one listening socket, and the clock that ends the slow and idle ones."""

from __future__ import annotations

from collections.abc import Callable

from mlserve.runtime.http import Connection
from mlserve.runtime.limits import Limits
from mlserve.runtime.request import Request


class HttpServer:
    """The connections of one listening socket; hands each whole request to ``handle``."""

    def __init__(self, handle: Callable[[Request], None], limits: Limits) -> None:
        self.handle = handle
        self.limits = limits
        self.connections: set[Connection] = set()
        self.draining = False
        self.now = 0.0
        """Seconds, as coarse as a tick: cheap to read for every request."""
        self.requests = 0
        """Begun since the start."""

    def __call__(self) -> Connection:
        return Connection(self)

    def tick(self) -> None:
        """Look after slow and idle clients; called every ``limits.tick`` seconds."""
        self.now += self.limits.tick
        for connection in tuple(self.connections):
            connection.look()

    @property
    def busy(self) -> int:
        """Connections that have a request in work or arriving."""
        return sum(1 for connection in self.connections if connection.busy)

    def close(self) -> None:
        for connection in tuple(self.connections):
            connection.close()
