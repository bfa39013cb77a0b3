"""A store in memory for tests of the hub; it passes the suite of the real one, so that it cannot lie."""

from __future__ import annotations

from collections.abc import Sequence

from mlserve.errors import Conflict
from mlserve.hub.store.base import Record


class MemoryStore:
    """Records in a dict; nothing survives the process."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}

    def get(self, kind: str, key: str) -> Record | None:
        return self._records.get((kind, key))

    def list(self, kind: str, prefix: str = "") -> Sequence[Record]:
        found = [record for record in self._records.values() if record.kind == kind and record.key.startswith(prefix)]
        return sorted(found, key=lambda record: record.key)

    def put(self, record: Record, expected_revision: int) -> Record:
        stored = self._records.get((record.kind, record.key))
        if (stored.revision if stored else 0) != expected_revision:
            raise Conflict(f'the {record.kind} "{record.key}" was changed by somebody else meanwhile')
        kept = Record(record.kind, record.key, record.data, expected_revision + 1)
        self._records[record.kind, record.key] = kept
        return kept

    def delete(self, kind: str, key: str) -> None:
        self._records.pop((kind, key), None)

    def close(self) -> None:
        self._records.clear()
