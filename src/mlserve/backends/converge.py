"""Decide what to start, drain and stop until a version of a service runs as often as wished. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlserve.backends.base import State, Workload


class Copy(Protocol):
    """What has to be known of one instance of the version in question."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def revision(self) -> str: ...
    @property
    def started_at(self) -> float: ...
    @property
    def ready_at(self) -> float | None: ...
    @property
    def draining_since(self) -> float | None: ...
    @property
    def stopping_since(self) -> float | None: ...
    @property
    def retry_at(self) -> float | None:
        """When a dead one may be started again; None: never."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What to do now, and when to look again at the latest."""

    start: int = 0
    restart: tuple[str, ...] = ()
    drain: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    """Dead ones that are not wanted back."""
    look_again_at: float | None = None

    def __bool__(self) -> bool:
        return bool(self.start or self.restart or self.drain or self.stop or self.forget)


def converge(have: Sequence[Copy], want: Workload, now: float) -> Actions:
    """The next step towards ``want.count`` instances of ``want.revision``; empty when there is nothing to do now."""
    kept = [copy for copy in have if copy.draining_since is None and copy.stopping_since is None]
    outdated = [copy for copy in kept if copy.revision != want.revision]
    current = [copy for copy in kept if copy.revision == want.revision]
    surplus = _victims(current, len(current) - want.count)
    staying = [copy for copy in current if copy not in surplus]
    serving = [copy for copy in outdated if copy.state is State.READY]
    # With no surge to start beside, one of those that serve has to go first.
    excess = len(serving) + sum(copy.state is State.READY for copy in staying) - want.count + (0 if want.surge else 1)
    replaced = sorted(serving, key=lambda copy: copy.started_at)[: max(excess, 0)]
    unready = [copy for copy in outdated if copy.state is not State.READY]
    leaving = [*surplus, *unready]
    waiting = [copy for copy in staying if copy.state is State.FAILED and copy.retry_at is not None]
    draining = [copy for copy in have if copy not in kept]
    return Actions(
        start=max(0, min(want.count - len(staying), _room(want, have, kept) - len(staying) - len(serving))),
        restart=_ids(copy for copy in waiting if (copy.retry_at or 0) <= now),
        drain=_ids([*(copy for copy in leaving if copy.state is State.READY), *replaced]),
        stop=_ids([*(copy for copy in leaving if copy.state is State.STARTING), *_drained(draining, want, now)]),
        forget=_ids(copy for copy in [*leaving, *draining] if copy.state is State.FAILED),
        look_again_at=_next_look(waiting, draining, want, now),
    )


def _room(want: Workload, have: Sequence[Copy], kept: Sequence[Copy]) -> int:
    """How many may be there at once; without surge a leaving one still counts, for it has what its successor needs."""
    return want.count + want.surge if want.surge else want.count - (len(have) - len(kept))


def _victims(copies: Sequence[Copy], count: int) -> Sequence[Copy]:
    """Whom to give up: first the dead, then those not ready yet, then the newest."""
    rank = {State.FAILED: 0, State.STARTING: 1}
    return sorted(copies, key=lambda copy: (rank.get(copy.state, 2), -copy.started_at))[: max(count, 0)]


def _drained(draining: Iterable[Copy], want: Workload, now: float) -> Iterable[Copy]:
    """Those that nobody sends anything to any more, or that had their time."""
    return (copy for copy in draining if copy.state is State.DRAINING and _may_stop(copy, want, now))


def _may_stop(copy: Copy, want: Workload, now: float) -> bool:
    if copy.stopping_since is not None:
        return False  # it has been told
    unused = copy.id in want.withdrawn or copy.ready_at is None
    return unused or now - (copy.draining_since or now) >= want.drain_seconds


def _next_look(waiting: Iterable[Copy], draining: Iterable[Copy], want: Workload, now: float) -> float | None:
    retries = [copy.retry_at for copy in waiting if copy.retry_at is not None and copy.retry_at > now]
    ends = [copy.draining_since + want.drain_seconds for copy in draining if copy.draining_since is not None]
    return min([*retries, *(end for end in ends if end > now)], default=None)


def _ids(copies: Iterable[Copy]) -> tuple[str, ...]:
    return tuple(copy.id for copy in copies)
