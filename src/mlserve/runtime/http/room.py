"""How much memory the bodies of requests may hold together, so that no client can exhaust a small instance."""

from __future__ import annotations


class Room:
    """Bytes. ``limit`` 0: not counted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def lacks(self, size: int) -> bool:
        """There is no room for so many more bytes."""
        return bool(self.limit) and self.held + size > self.limit

    def take(self, size: int) -> None:
        self.held += size

    def give(self, size: int) -> None:
        self.held -= size
