"""Bytes that come piece by piece: millions of small objects would cost 20 times what they hold."""

from __future__ import annotations

_MANY = 1024


class Pieces:
    """Kept in order, and made one now and then."""

    __slots__ = ("_joined", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._joined = 0  # how many of them are joined ones

    def add(self, piece: bytes) -> None:
        pieces = self._pieces
        pieces.append(piece)
        if len(pieces) - self._joined == _MANY:
            pieces[self._joined :] = [b"".join(pieces[self._joined :])]
            self._joined += 1

    def take(self) -> bytes:
        """All of them as one, and none is left."""
        pieces, self._pieces, self._joined = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
