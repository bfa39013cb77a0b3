"""What was wished, kept: the words of a store. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON document under a kind and a key. ``revision`` counts its writes, from 1; 0 means not stored yet."""

    kind: str
    key: str
    data: Mapping[str, Any]
    revision: int = 0


class Store(Protocol):
    """Keeps records. What ``put`` and ``delete`` have returned from survives the death of this process."""

    def get(self, kind: str, key: str) -> Record | None:
        """The record, or None."""

    def list(self, kind: str, prefix: str = "") -> Sequence[Record]:
        """All records of a kind whose key begins with the prefix, ordered by key."""

    def put(self, record: Record, expected_revision: int) -> Record:
        """Write it where the stored revision is the expected one (0: nothing there); else raise Conflict."""

    def delete(self, kind: str, key: str) -> None:
        """Forget it; not being there is no error."""

    def close(self) -> None:
        """Let go of files; the store can't be used after."""
