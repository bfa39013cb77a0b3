"""The store in one SQLite file, through SQLAlchemy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from mlserve.errors import Conflict, MlserveError
from mlserve.hub.store.base import Record

_metadata = sa.MetaData()
_records = sa.Table(
    "records",
    _metadata,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)


class SqliteStore:
    """Records in a file. One process writes at a time (the hub holds its home's lock)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.StaticPool)
        sa.event.listen(self._engine, "connect", _configure)
        with self._errors():
            _metadata.create_all(self._engine)
        path.chmod(0o600)

    def get(self, kind: str, key: str) -> Record | None:
        query = sa.select(_records).where(_records.c.kind == kind, _records.c.key == key)
        with self._errors(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _record(row) if row else None

    def list(self, kind: str, prefix: str = "") -> Sequence[Record]:
        query = sa.select(_records).where(_records.c.kind == kind).order_by(_records.c.key)
        with self._errors(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [_record(row) for row in rows if row.key.startswith(prefix)]

    def put(self, record: Record, expected_revision: int) -> Record:
        values = {"revision": expected_revision + 1, "data": json.dumps(record.data, separators=(",", ":"))}
        here = (_records.c.kind == record.kind, _records.c.key == record.key)
        with self._errors(), self._engine.begin() as connection:
            if expected_revision:
                change = sa.update(_records).where(*here, _records.c.revision == expected_revision)
                written = connection.execute(change.values(**values)).rowcount
            else:
                written = self._insert(connection, record, values)
        if not written:
            raise Conflict(
                f'the {record.kind} "{record.key}" was changed by somebody else meanwhile',
                hint="look at it again and repeat the change if it is still wanted",
            )
        return Record(record.kind, record.key, record.data, expected_revision + 1)

    def delete(self, kind: str, key: str) -> None:
        with self._errors(), self._engine.begin() as connection:
            connection.execute(sa.delete(_records).where(_records.c.kind == kind, _records.c.key == key))

    def close(self) -> None:
        self._engine.dispose()

    def _insert(self, connection: sa.Connection, record: Record, values: dict[str, Any]) -> int:
        statement = sa.insert(_records).prefix_with("OR IGNORE")
        return connection.execute(statement.values(kind=record.kind, key=record.key, **values)).rowcount

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as exc:
            raise MlserveError(
                f"the hub's store {self._path} can't be used: {exc.orig}",
                hint="check that the disk has room and that the file is readable and writable for this user",
            ) from exc


def _configure(connection: Any, _: Any) -> None:
    # WAL with a sync on each commit: what was answered with 201 is there after a power cut, too.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _record(row: Any) -> Record:
    return Record(row.kind, row.key, json.loads(row.data), row.revision)
