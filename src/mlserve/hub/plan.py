"""Decide what to do next about one service. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from mlserve.backends.base import Instance, State
from mlserve.hub import releasing
from mlserve.hub.records import LastUpdate, Service, Version
from mlserve.hub.seen import ALIVE, Seen

__all__ = ["Decision", "Seen", "Status", "decide", "status"]


class Status(StrEnum):
    """What a service's user is told."""

    CREATING = "Creating"
    RUNNING = "Running"
    UPDATING = "Updating"
    DEGRADED = "Degraded"
    STOPPED = "Stopped"
    FAILED = "Failed"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now, and the service as it is to be kept."""

    service: Service
    run: Mapping[int, int]
    """Version → how many instances of it; a version that is not named is left as it is."""
    prepare: int | None = None
    """A version whose files and environment are still missing."""
    prove: int | None = None
    """A version to send a request to through the gateway."""
    failed: Instance | None = None
    """An instance that ended for good and whose story is to be kept."""
    blame: str = ""
    """Why the release's gates or limits are against the target: to be kept as its failure, which then ends it."""
    forget: bool = False


def decide(seen: Seen) -> Decision:
    """The next step towards what is wished; the same step again changes nothing."""
    service = seen.service
    if service.deleting:
        return Decision(service, run={}, forget=not any(i.state in ALIVE for i in seen.instances))
    failed = _ended_for_good(seen)
    service, blame = releasing.moved(seen)
    seen = replace(seen, service=service)
    if not releasing.under_way(service):
        service = _promote(seen, _give_up(seen))
    run = dict.fromkeys(sorted({i.version for i in seen.instances}), 0)
    if not service.stopped:
        run |= _wanted(replace(seen, service=service))
    target = seen.versions[service.target]
    waiting = not service.stopped and not _hopeless(target)
    return Decision(
        service=replace(service, settled=service.generation) if _settled(replace(seen, service=service)) else service,
        run=run,
        prepare=service.target if waiting and target.prepared is None else None,
        prove=service.target if waiting and not target.served and seen.current(service.target) else None,
        failed=failed,
        blame=blame,
    )


def quiet(seen: Seen, decision: Decision) -> bool:
    """Nothing will change by itself: no step is needed until something does."""
    calm = all(i.state is State.READY or i.final for i in seen.instances)
    settled = decision.service.settled == decision.service.generation and decision.service == seen.service
    return (
        calm
        and settled
        and decision.prove is None
        and decision.prepare is None
        and decision.failed is None
        and seen.service.trial_until is None
    )


def status(seen: Seen) -> Status:
    """The one word for how a service is."""
    service = seen.service
    ready, alive = len(seen.of(service.target, State.READY)), [i for i in seen.instances if i.state in ALIVE]
    if service.deleting:
        return Status.DELETING
    if service.stopped:
        return Status.UPDATING if alive else Status.STOPPED
    if seen.versions[service.target].failure and not ready and (service.serving in (None, service.target)):
        return Status.FAILED
    if service.serving is None:
        return Status.CREATING
    if seen.trouble:
        return Status.DEGRADED
    if service.settled < service.generation:
        return Status.UPDATING
    return Status.RUNNING if ready >= service.count else Status.DEGRADED


def _wanted(seen: Seen) -> dict[int, int]:
    service, wanted = seen.service, {}
    if release := releasing.under_way(service):
        return releasing.wanted(seen, release)
    if service.kept:
        wanted[service.kept.version] = service.kept.count
    target = seen.versions[service.target]
    if _hopeless(target):
        wanted[service.target] = 0
    elif target.prepared is not None:
        wanted[service.target] = service.count
    if service.serving not in (None, service.target):
        wanted[service.serving] = service.serving_count
        going = not _hopeless(target) and target.prepared is not None
        if going and seen.one_at_a_time(service.serving, service.target):
            wanted[service.serving] = 0
            if seen.of(service.serving, *ALIVE):
                wanted[service.target] = 0
    return wanted


def _hopeless(version: Version) -> bool:
    """It failed before it ever served: nothing is tried until somebody asks again."""
    return version.failure is not None and not version.served


def _ended_for_good(seen: Seen) -> Instance | None:
    """The first instance of the target that the backend gave up, where its story is not kept yet."""
    target = seen.versions[seen.service.target]
    if seen.service.stopped or target.failure is not None or target.prepared is None:
        return None
    return next(iter(seen.given_up(seen.service.target)), None)


def _give_up(seen: Seen) -> Service:
    """What was started and failed hands the wish back to what serves: another version, or this one before a restart."""
    service = seen.service
    failed = _hopeless(seen.versions[service.target])
    if failed and service.serving not in (None, service.target):
        update = LastUpdate(service.target, "failed")
        return replace(service, target=service.serving, count=service.serving_count, last_update=update)
    outdated = [int(i.revision) for i in seen.of(service.target, State.READY) if i not in seen.current(service.target)]
    if service.target == service.serving and outdated and seen.given_up(service.target) and not service.stopped:
        # A restart whose first new instance failed: those that still serve are the current ones again.
        return replace(service, restarts=max(outdated), last_update=LastUpdate(service.target, "failed"))
    return service


def _promote(seen: Seen, service: Service) -> Service:
    """A proven version takes over: the first at its first ready instance, a later one when all of its are ready."""
    needed = service.count if service.serving is not None else 1
    if service.target == service.serving or not seen.versions[service.target].served or service.stopped:
        return service
    if len(replace(seen, service=service).current(service.target)) < max(needed, 1):
        return service
    update = LastUpdate(service.target, "done") if service.serving is not None else None
    return replace(service, serving=service.target, last_update=update, serving_count=service.count)


def _settled(seen: Seen) -> bool:
    service = seen.service
    target = seen.versions[service.target]
    alive = [i for i in seen.instances if i.state in ALIVE and i.id not in releasing.holding(seen)]
    if service.stopped or _hopeless(target):
        return not alive
    if releasing.under_way(service):
        return False
    if target.prepared is None or seen.routed != service.serving:
        return False
    current = seen.current(service.target)
    ended = seen.given_up(service.target)
    others = [i for i in alive if i not in current]
    enough = len(current) == service.count or (bool(ended) and len(current) + len(ended) >= service.count)
    return service.serving == service.target and enough and not others
