"""What every store has to keep to."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.errors import Conflict, MlserveError
from mlserve.hub.store.base import Record, Store
from mlserve.hub.store.sqlite import SqliteStore

OPENERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "hub.db"),
}


@pytest.fixture(params=OPENERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = OPENERS[request.param](tmp_path)
    yield opened
    opened.close()


def test_what_was_put_is_there(store: Store) -> None:
    kept = store.put(Record("service", "iris", {"count": 1, "ü": [None, 1.5]}), 0)
    assert kept.revision == 1
    assert store.get("service", "iris") == kept


def test_what_was_never_put_is_none(store: Store) -> None:
    assert store.get("service", "iris") is None
    assert list(store.list("service")) == []


def test_a_write_over_an_unseen_revision_is_a_conflict_and_changes_nothing(store: Store) -> None:
    first = store.put(Record("service", "iris", {"count": 1}), 0)
    second = store.put(Record("service", "iris", {"count": 2}), first.revision)
    for stale in (0, first.revision, second.revision + 1):
        with pytest.raises(Conflict):
            store.put(Record("service", "iris", {"count": 9}), stale)
    assert store.get("service", "iris") == second


def test_a_write_to_something_that_is_not_there_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict):
        store.put(Record("service", "iris", {}), 3)


def test_records_are_listed_by_kind_and_prefix_in_order(store: Store) -> None:
    for key in ("iris/2", "iris/1", "wine/1"):
        store.put(Record("version", key, {}), 0)
    store.put(Record("service", "iris", {}), 0)
    assert [record.key for record in store.list("version", "iris/")] == ["iris/1", "iris/2"]
    assert [record.key for record in store.list("version")] == ["iris/1", "iris/2", "wine/1"]


def test_deleting_twice_is_no_error(store: Store) -> None:
    store.put(Record("service", "iris", {}), 0)
    store.delete("service", "iris")
    store.delete("service", "iris")
    assert store.get("service", "iris") is None
    assert store.put(Record("service", "iris", {}), 0).revision == 1


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    writer = """
import os, sys
from pathlib import Path
from mlserve.hub.store.base import Record
from mlserve.hub.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in range(1000):
    store.put(Record("service", f"s{number:04d}", {"n": number}), 0)
    print(number, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", writer, str(tmp_path / "hub.db")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
    store = SqliteStore(tmp_path / "hub.db")
    kept = {record.data["n"] for record in store.list("service")}
    store.close()
    assert set(acknowledged) <= kept


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(MlserveError, match=r"hub\.db can't be used"):
        SqliteStore(tmp_path / "hub.db")
