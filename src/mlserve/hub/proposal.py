"""What a submission would do to a service, found out before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from mlserve import storage
from mlserve.backends.base import Capacity
from mlserve.descriptor.releasing import RECREATE, ROLLING
from mlserve.engines.base import resources
from mlserve.errors import InvalidInput, MlserveError, NoCapacity, to_problem
from mlserve.hub import revising
from mlserve.hub.acceptance import Accepted, Submission, cpu_warning, refuse, unreachable, vet
from mlserve.hub.changes import Change, Side, changed_files, changes, makes_a_version, refusals
from mlserve.hub.footprint import STRATEGIES, Peak, Sizes, Stage, peak, require_fit, rolling
from mlserve.hub.places import Places
from mlserve.hub.reachable import marks
from mlserve.hub.records import Service, Version
from mlserve.hub.releases.records import Release
from mlserve.hub.releases.strategies import gap_warning, planned, require_strategy


class Action(StrEnum):
    """What would be done."""

    CREATE = "create"
    UPDATE = "update"
    """A new version."""
    SCALE = "scale"
    NOTHING = "nothing"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Known:
    """A service that exists, and the version that a submission is compared with."""

    service: Service
    newest: Version

    @property
    def running(self) -> int:
        """Its instances that hold their share of the place."""
        return 0 if self.service.stopped or self.service.serving is None else self.service.count


@dataclass(frozen=True, slots=True)
class How:
    """How a submission is to be taken; raises InvalidInput for a strategy that nobody knows."""

    look: bool = True
    """Ask the addresses it names whether their files have changed."""
    strategy: str = ""
    """In the place of the descriptor's own."""

    def __post_init__(self) -> None:
        require_strategy(self.strategy)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be done, and what stands in the way."""

    known: Known | None
    accepted: Accepted
    changes: tuple[Change, ...]
    files: tuple[Change, ...]
    count: int
    """Instances that there would be."""
    strategy: str
    peak: Peak
    capacity: Capacity
    short: tuple[MlserveError, ...] = ()
    """What the place lacks, what can't be fetched, and a gate that could never be judged."""

    @property
    def action(self) -> Action:
        """What would be done."""
        if self.known is None:
            return Action.CREATE
        if any(refusals(self.changes)):
            return Action.REFUSE
        if makes_a_version(self.changes, self.files):
            return Action.UPDATE
        return Action.NOTHING if self.count == self.known.service.count else Action.SCALE

    def require_possible(self) -> None:
        """Raise InvalidInput for what no update can change, NoCapacity and FetchFailed for what is not there."""
        for change in refusals(self.changes):
            raise InvalidInput(
                f'"{self.accepted.descriptor.name}" keeps {change.pointer}: it is {change.old}, not {change.new}',
                hint=change.reason,
                details=[{"pointer": change.pointer, "code": "invalid", "message": change.reason}],
            )
        refuse(self.short)


AS_WRITTEN = How()


async def propose(
    submission: Submission, known: Known | None, places: Places, content: storage.ContentStore, how: How = AS_WRITTEN
) -> Proposal:
    """Compare a submission with what is there; nothing is kept. Raises as `acceptance.vet`."""
    accepted = vet(submission, places, content, default=known.service.resource if known else "")
    asked = storage.FetchOptions(credentials=accepted.place.credentials, uploads=content)
    told = await marks(accepted.descriptor, submission.content, asked) if known and how.look else {}
    then, now = revising.marks_of_both(known.newest, told) if known else ({}, told)
    new = revising.side(submission, accepted.descriptor, accepted.place.name, now)
    old = revising.kept(known.service, known.newest, then) if known else None
    changed, files = changes(old, new), changed_files(old, new)
    count = revising.count(known.service, old, new) if known and old else new.instances
    again = makes_a_version(changed, files)
    if known and not again:
        revising.require_count(new.descriptor.name, count)
    running = known.running if known else 0
    release = planned(new.descriptor, 0, 0, count=count, old_count=running, strategy=how.strategy)
    strategy = _strategy(known, new, release, again=again)
    stages = _stages(strategy, release, running, _started(known, count, again=again))
    sizes = Sizes(resources(old.descriptor if old else new.descriptor), resources(new.descriptor))
    capacity = await accepted.place.backend.capacity()
    short = _unheard(strategy, release)
    if not any(refusals(changed)):
        try:
            require_fit(stages, running, sizes, capacity)
        except NoCapacity as exc:
            short.append(exc)
        if again:  # else all that may be asked for is another number of what is here
            short += await unreachable(submission, accepted, content)
    gap = gap_warning(release, running) if strategy == ROLLING else []
    warnings = (*accepted.warnings, *cpu_warning(sizes.new, count, 0 if again else running, capacity), *gap)
    accepted = Accepted(accepted.descriptor, accepted.place, warnings)
    return Proposal(known, accepted, changed, files, count, strategy, peak(stages, sizes), capacity, tuple(short))


def _started(known: Known | None, count: int, *, again: bool) -> int:
    """The instances there would be to run: another number of a stopped service starts none."""
    return 0 if known and known.service.stopped and not again else count


def _stages(strategy: str, release: Release, old: int, new: int) -> Sequence[Stage]:
    if strategy == ROLLING:
        return rolling(old, new, surge=release.surge, unavailable=release.unavailable)
    return STRATEGIES[strategy](old, new)


def _strategy(known: Known | None, new: Side, release: Release, *, again: bool) -> str:
    if known and not again:
        return "scale"
    if known is None or not known.running:
        return "start"
    same_port = known.newest.descriptor.get("port") == new.raw.get("port")
    return RECREATE if known.newest.fixed_port and same_port else str(release.strategy)


def _unheard(strategy: str, release: Release) -> list[MlserveError]:
    """Answers can't be compared where the new version starts when the old one has ended."""
    if strategy != RECREATE or release.gates is None or release.gates.max_different_percent is None:
        return []
    told = "answers can't be compared: both versions want the same port of this machine, so they never run side by side"
    hint = "leave max_different_percent out, or have the program listen on $PORT"
    pointer = "/release/gates/max_different_percent"
    return [InvalidInput(told, hint=hint, details=[{"pointer": pointer, "code": "invalid", "message": told}])]


def shown(proposal: Proposal) -> dict[str, Any]:
    """A proposal as its user sees it."""
    known, accepted = proposal.known, proposal.accepted
    action = proposal.action
    next_number = known.service.latest + 1 if known else 1
    moves = action in (Action.CREATE, Action.UPDATE, Action.SCALE)
    return {
        "service": accepted.descriptor.name,
        "action": str(action),
        "resource": accepted.place.name,
        "backend": accepted.place.kind,
        "version": {
            "old": known.newest.number if known else None,
            "new": next_number if action in (Action.CREATE, Action.UPDATE) else None,
        },
        "instances": {"old": known.service.count if known else None, "new": proposal.count},
        "changes": [asdict(change) for change in proposal.changes],
        "content": [asdict(change) for change in proposal.files],
        "strategy": _told_strategy(proposal.strategy) if moves else None,
        "peak": asdict(proposal.peak) if moves else None,
        "free": _free(proposal.capacity),
        "fits": not any(isinstance(error, NoCapacity) for error in proposal.short),
        "errors": _errors(proposal),
        "warnings": [dict(warning) for warning in accepted.warnings],
    }


def _told_strategy(name: str) -> dict[str, str]:
    said = (STRATEGIES[name].__doc__ or "").strip().rstrip(".")
    return {"name": name, "does": said[:1].lower() + said[1:]}


def _free(capacity: Capacity) -> dict[str, Any]:
    return {
        "cpu": capacity.cpu_free,
        "memory_mb": capacity.memory_free_mb,
        "gpus": capacity.gpus_free,
        "gpu_memory_gb": capacity.gpu_memory_free_gb,
    }


def _errors(proposal: Proposal) -> Sequence[dict[str, Any]]:
    """The problem document that `create` or `update` would answer."""
    try:
        proposal.require_possible()
    except MlserveError as exc:
        return [to_problem(exc)]
    return []
