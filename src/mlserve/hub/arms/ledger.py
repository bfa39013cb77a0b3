"""What is kept of requests and of feedback about them, in a SQLite file of its own. Bounded by age and number."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlserve.errors import MlserveError
from mlserve.hub.arms.effect import Moments
from mlserve.hub.arms.feedback import Feedback
from mlserve.hub.arms.lines import Asked, key

log = logging.getLogger("mlserve.hub")

DAYS = 30
MOST_REQUESTS, MOST_VALUES = 5_000_000, 1_000_000
"""Of all groups together; the oldest go first."""

_TABLES = """
CREATE TABLE IF NOT EXISTS asked (
    seq INTEGER PRIMARY KEY, id INTEGER, place TEXT, arm TEXT, caller INTEGER, at REAL, failed INTEGER, ms INTEGER);
CREATE INDEX IF NOT EXISTS asked_by_id ON asked (id);
CREATE TABLE IF NOT EXISTS told (
    id INTEGER, metric TEXT, place TEXT, value REAL, at REAL, arm TEXT, caller INTEGER, asked_at REAL,
    PRIMARY KEY (id, metric)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS told_by_age ON told (at);
CREATE INDEX IF NOT EXISTS told_too_soon ON told (id) WHERE arm IS NULL;
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), inode INTEGER, offset INTEGER);
"""
_JOIN = """
UPDATE told SET (arm, caller, asked_at) = (
    SELECT arm, caller, at FROM asked WHERE asked.id = told.id ORDER BY seq DESC LIMIT 1)
WHERE arm IS NULL AND {which}
"""
_OF_NEW = _JOIN.format(which="id IN (SELECT id FROM asked WHERE seq > ?)")
_OF_ONE = _JOIN.format(which="id = ?")
"""It looks at one request, however many have the same id: who asks may choose it."""
_TELL = """
INSERT INTO told (id, metric, place, value, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id, metric) DO UPDATE SET value = excluded.value, at = excluded.at
"""
_ORIGIN = """
SELECT (MIN(value) < 0 OR MAX(value) > 1) * AVG(value) FROM told
WHERE place = :place AND metric = :metric AND asked_at >= :since
"""
_MOMENTS = """
SELECT arm, COUNT(*), SUM(n), SUM(s), SUM(1.0 * n * n), SUM(s * s), SUM(n * s), MAX(n) = 1, MIN(bit) FROM (
    SELECT arm, caller, COUNT(*) AS n, SUM(value - :origin) AS s, MIN(value IN (0, 1)) AS bit
    FROM told WHERE place = :place AND metric = :metric AND asked_at >= :since GROUP BY arm, caller)
GROUP BY arm
"""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file was read: by its inode, so that a renamed one is known again."""

    inode: int = 0
    offset: int = 0


class Ledger:
    """Each call is one transaction, and what it returned from survives the death of this process. Thread-safe."""

    def __init__(self, path: Path, most: tuple[int, int] = (MOST_REQUESTS, MOST_VALUES)) -> None:
        self._path, self._most = path, most
        self._lock = threading.Lock()
        with self._errors():
            self._file = _opened(path)
        path.chmod(0o600)

    def position(self) -> Position:
        """How far the gateway's notes were read."""
        with self._transaction() as file:
            row = file.execute("SELECT inode, offset FROM position").fetchone()
        return Position(*row) if row else Position()

    def take(self, asked: Sequence[Asked], position: Position) -> None:
        """Keep requests, and how far was read with them: none is counted twice, whenever this process dies."""
        rows = [(a.id, a.place, a.arm, a.caller, a.at, a.failed, a.ms) for a in asked]
        with self._transaction() as file:
            before = file.execute("SELECT IFNULL(MAX(seq), 0) FROM asked").fetchone()[0]
            file.executemany(
                "INSERT INTO asked (id, place, arm, caller, at, failed, ms) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )
            if file.execute("SELECT 1 FROM told WHERE arm IS NULL LIMIT 1").fetchone():
                file.execute(_OF_NEW, (before,))
            file.execute("REPLACE INTO position VALUES (1, ?, ?)", (position.inode, position.offset))

    def tell(self, place: str, feedback: Sequence[Feedback], now: float) -> list[str]:
        """Keep feedback, in the place of earlier feedback of the same; the ids of which no request is known yet."""
        ids = [key(place, one.request_id) for one in feedback]
        with self._transaction() as file:
            for one, id in zip(feedback, ids, strict=True):
                file.execute(_TELL, (id, one.metric, place, one.value, now))
                file.execute(_OF_ONE, (id,))
            found = "SELECT 1 FROM told WHERE id = ? AND arm IS NOT NULL LIMIT 1"
            return [
                one.request_id
                for one, id in zip(feedback, ids, strict=True)
                if not file.execute(found, (id,)).fetchone()
            ]

    def durations(self, place: str, since: float) -> Mapping[str, list[tuple[int | None, int, int]]]:
        """Arm → how many requests took how many milliseconds, the fastest first, and how many of them failed."""
        query = """SELECT arm, ms, COUNT(*), SUM(failed) FROM asked WHERE place = ? AND at >= ?
                   GROUP BY arm, ms ORDER BY arm, ms"""
        found: dict[str, list[tuple[int | None, int, int]]] = {}
        with self._reading() as file:
            for arm, ms, count, failed in file.execute(query, (place, since)):
                found.setdefault(arm, []).append((ms, count, failed))
        return found

    def callers(self, place: str, since: float) -> Mapping[str, int]:
        """Arm → how many callers asked it."""
        query = "SELECT arm, COUNT(DISTINCT caller) FROM asked WHERE place = ? AND at >= ? GROUP BY arm"
        with self._reading() as file:
            return dict(file.execute(query, (place, since)))

    def moments(self, place: str, metric: str, since: float) -> Mapping[str, Moments]:
        """Arm → its feedback, of requests since then, added up."""
        about = {"place": place, "metric": metric, "since": since}
        with self._reading() as file:
            origin = file.execute(_ORIGIN, about).fetchone()[0] or 0.0
            rows = file.execute(_MOMENTS, {**about, "origin": origin}).fetchall()
        return {
            arm: Moments(callers, n, s, nn, ss, ns, bool(once), bool(bits), origin)
            for arm, callers, n, s, nn, ss, ns, once, bits in rows
        }

    def metrics(self, place: str, since: float) -> Mapping[str, int]:
        """The names of metrics that feedback came of, and how many values of each have no request."""
        query = """SELECT metric, SUM(arm IS NULL) FROM told WHERE place = ? AND IFNULL(asked_at, at) >= ?
                   GROUP BY metric ORDER BY metric"""
        with self._reading() as file:
            return dict(file.execute(query, (place, since)))

    def prune(self, now: float) -> None:
        """Forget what is too old or too much."""
        old = now - DAYS * 86400.0
        with self._transaction() as file:
            last = file.execute("SELECT IFNULL(MAX(seq), 0) FROM asked").fetchone()[0]
            file.execute("DELETE FROM asked WHERE seq <= ?", (last - self._most[0],))
            first = file.execute("SELECT at FROM asked ORDER BY seq LIMIT 1").fetchone()
            if first and first[0] < old:
                file.execute("DELETE FROM asked WHERE at < ?", (old,))
            file.execute("DELETE FROM told WHERE at < ?", (old,))
            surplus = file.execute("SELECT COUNT(*) FROM told").fetchone()[0] - self._most[1]
            if surplus > 0:
                oldest = "SELECT id, metric FROM told ORDER BY at LIMIT ?"
                file.execute(f"DELETE FROM told WHERE (id, metric) IN ({oldest})", (surplus,))  # noqa: S608

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            try:
                self._file.execute("BEGIN IMMEDIATE")
                yield self._file
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Beside what is written meanwhile: adding up millions of rows holds up no feedback."""
        with self._errors(), closing(sqlite3.connect(self._path, isolation_level=None)) as file:
            yield file

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise MlserveError(
                f"what is known of requests and feedback ({self._path}) can't be used: {exc}",
                hint="check that the disk has room and that the file is readable and writable for this user",
            ) from exc


def _opened(path: Path) -> sqlite3.Connection:
    """The file; a damaged one is put aside, since no figures are worth a hub that looks after nothing."""
    try:
        return _connected(path)
    except sqlite3.OperationalError:
        raise  # no room, say, or no right: it may be well
    except sqlite3.DatabaseError as exc:
        aside = path.with_name(f"{path.name}.damaged")
        log.warning("event=ledger-damaged file=%s kept=%s reason=%r", path, aside, str(exc))
        path.replace(aside)
        for part in ("-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            file.execute(f"PRAGMA {pragma}")
        file.executescript(_TABLES)
    except BaseException:
        file.close()
        raise
    return file
