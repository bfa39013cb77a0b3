"""What keeping instances running asks of a place: how one is started, looked at and ended. Words only: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlserve.backends.base import Workload
from mlserve.backends.records import Record
from mlserve.backends.report import Report


@dataclass(frozen=True, slots=True)
class Door:
    """Where an instance may answer, as ``host:port``."""

    address: str
    """To be given away."""
    ask: str
    """To be asked for health."""
    ports: Mapping[str, str] = field(default_factory=dict)
    """Further ones, by name."""
    behind_proxy: bool = False
    """Something else takes the connection first, so that an open port alone says nothing."""


class Run(Protocol):
    """What stands behind one instance while it runs. No method waits for the place, unless it is a coroutine."""

    probes: tuple[Mapping[str, Any], ...]
    """The last looks whether it answers."""
    whereabouts: str
    """Where its program listens while nothing answers where it was wished, in words; empty as long as nobody looked."""
    unanswered: int
    """Probes in a row, since it was ready, that nothing answered."""

    @property
    def report(self) -> Report:
        """What it said of itself so far."""

    @property
    def terminated(self) -> bool:
        """It has been told to end."""

    @property
    def pid(self) -> int | None:
        """Its process, where it is one of this machine."""

    @property
    def container(self) -> str | None:
        """Its container, where it is one."""

    def refresh(self) -> bool:
        """Take in what it reported since the last call; true when there was something."""

    def answered(self) -> None:
        """It was found ready."""

    def doors(self, record: Record) -> Sequence[Door]:
        """Where it may answer."""

    def impostor(self, door: Door) -> str:
        """In words, who else answers at a door; empty when it is the instance itself."""

    async def astray(self, record: Record) -> Mapping[str, Any]:
        """Evidence for one that did not become ready in time: where it listens instead."""

    def terminate(self) -> None:
        """Ask it to end; may be repeated."""

    def kill(self) -> None:
        """End it now; may be repeated."""

    def let_go(self) -> None:
        """Stop watching; it runs on."""


class Listener(Protocol):
    """Who wants to hear what becomes of runs. To be called in the event loop's thread."""

    def ended(self, run: Run, found: dict[str, Any]) -> None:
        """A run is over, and nothing of it is left at the place; ``found`` is evidence."""

    def begun_again(self, run: Run) -> None:
        """Somebody else restarted it where it is."""

    def noticed(self) -> None:
        """Something about a run has changed that is worth a look."""


class Runner(Protocol):
    """Starts runs, and finds those that an earlier hub started."""

    @property
    def reachable(self) -> bool:
        """Whether the place can be asked now; nothing is decided while it can't."""

    def fit(self, record: Record, workload: Workload, others: Sequence[Record]) -> Record:
        """The record of a run about to begin, with what the place chooses for it. Raises NoCapacity."""

    def begin(self, record: Record, workload: Workload, directory: Path, listener: Listener) -> Run:
        """Start it; raises OSError where the place refuses at once."""

    def adopt(self, record: Record, directory: Path, listener: Listener) -> Run:
        """Take up what an earlier hub started."""

    def give_back(self, record: Record) -> None:
        """Free what `fit` chose; the run has ended."""

    def forget(self, record: Record) -> None:
        """It will not run again: drop what it would have found there."""

    def clear(self, directory: Path) -> None:
        """End what runs behind a directory whose note nobody can read any more."""

    def who_listens(self, port: int) -> str:
        """In words, who has a port of the place; empty when nobody is seen."""
