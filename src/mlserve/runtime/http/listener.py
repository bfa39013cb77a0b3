"""The clients of one listening socket, and the clock that ends the slow and idle ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mlserve.runtime.http.connection import Connection
from mlserve.runtime.http.heads import Heads
from mlserve.runtime.http.limits import Limits
from mlserve.runtime.http.request import Request
from mlserve.runtime.http.room import Room
from mlserve.runtime.http.unread import Unread

if TYPE_CHECKING:
    from mlserve.runtime.http2.stream import Stream


class Client(Protocol):
    """A connection of any protocol, as its listener looks after it."""

    @property
    def busy(self) -> bool:
        """A request arrives, is in work, or its reply is not all with the client yet."""

    def look(self) -> None:
        """Has this client waited too long, or left?"""

    def close(self) -> None:
        """Hang up."""


class Rpc(Protocol):
    """What answers gRPC."""

    def accept(self, stream: Stream) -> None:
        """A call begins."""


class HttpServer:
    """The connections of one listening socket; hands each whole request to ``handle``."""

    def __init__(self, handle: Callable[[Request], None], limits: Limits) -> None:
        self.handle = handle
        self.limits = limits
        self.rpc: Callable[[], Rpc] | None = None
        """Made when the first call comes."""
        self.websocket: Callable[[Any, Request, bytes], bool] | None = None
        """Takes a connection over that asks for a WebSocket, with what came behind; false where none is offered."""
        self.connections: set[Client] = set()
        self.room = Room(limits.bodies)
        self.unread = Unread(self.room)
        self.heads = Heads()
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
        self.unread.look(self.now)

    @property
    def busy(self) -> int:
        """Connections that have a request in work or arriving."""
        return sum(1 for connection in self.connections if connection.busy)

    def close(self) -> None:
        for connection in tuple(self.connections):
            connection.close()
