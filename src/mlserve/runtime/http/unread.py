"""Replies that clients have not taken yet: they hold memory as bodies do, so they count for the same room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mlserve.runtime.http.room import Room

LEAST = 64 << 10
"""Bytes of a reply that count."""
_PATIENCE = 5.0
"""Seconds without reading that a client has while others want the room."""
_FAR = 2
"""Times the room's limit, from which on whoever waits longest has to go, even if it reads."""


class SlowReader(Protocol):
    """Who has not taken its reply."""

    @property
    def read_at(self) -> float:
        """When it last took some of it."""

    def give_up(self) -> None:
        """What is left of the reply is lost."""


class Unread:
    """Those of one listener."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._readers: dict[SlowReader, int] = {}

    def keep(self, reader: SlowReader, size: int, now: float) -> None:
        """So many bytes wait for this client from now on."""
        room = self._room
        room.take(size - self._readers.get(reader, 0))
        self._readers[reader] = size
        if room.lacks(0):
            self._make_room(now, reader)

    def done(self, reader: SlowReader) -> None:
        """It has taken most of it, or has gone."""
        self._room.give(self._readers.pop(reader, 0))

    def look(self, now: float) -> None:
        """Called now and then: where the room is half full, those that read nothing have to go sooner."""
        if self._readers and self._room.limit and self._room.held * 2 > self._room.limit:
            for reader in tuple(self._readers):
                if now - reader.read_at > _PATIENCE:
                    self._drop(reader)

    def _make_room(self, now: float, newest: SlowReader) -> None:
        room = self._room
        for reader in tuple(self._readers):
            if not room.lacks(0):
                return
            if reader is not newest and (room.held > _FAR * room.limit or now - reader.read_at > _PATIENCE):
                self._drop(reader)

    def _drop(self, reader: SlowReader) -> None:
        self.done(reader)
        reader.give_up()
