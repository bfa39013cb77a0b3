"""What a release means for its service: who serves, what runs, where requests go. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlserve.backends.base import Instance, State
from mlserve.hub.records import LastUpdate, Service
from mlserve.hub.releases import counts
from mlserve.hub.releases.counts import Standing
from mlserve.hub.releases.gates import Verdict
from mlserve.hub.releases.records import Kept, Phase, Release
from mlserve.hub.releases.step import judgement, step
from mlserve.hub.seen import ALIVE, Seen

_STEADY_SECONDS = 10.0
"""How long an instance that died has to be ready again before it may replace another one."""


def under_way(service: Service) -> Release | None:
    """The release that a service is in, if any."""
    return service.release if service.release and service.release.under_way else None


def moved(seen: Seen) -> tuple[Service, str]:
    """The service after its release's next step, and why the new version is to be given up, if it is."""
    service, release = seen.service, under_way(seen.service)
    if overdue(seen) or service.stopped:
        service = replace(service, kept=None)
    if release is None or service.stopped:
        return service, ""
    move = step(release, standing(seen, release), seen.measured, seen.now)
    if move.release == release:
        return service, move.blame
    return _after(replace(service, release=move.release), move.release), move.blame


def wanted(seen: Seen, release: Release) -> dict[int, int]:
    """Version → how many instances, while a release is under way."""
    cleared = judgement(release, seen.measured, seen.now).verdict is Verdict.PASSED
    return counts.wanted(release, standing(seen, release), cleared=cleared)


def targets(seen: Seen, serving: int) -> tuple[tuple[int, int], ...]:
    """Where requests go, in percent; ``serving``: the version that gets all of them without a release."""
    release = under_way(seen.service)
    shared = counts.weights(release, standing(seen, release)) if release else ()
    return shared or ((serving, 100),)


def overdue(seen: Seen) -> bool:
    """The kept version has been kept for long enough."""
    return seen.service.kept is not None and seen.now >= seen.service.kept.until


def holding(seen: Seen) -> Sequence[str]:
    """The instances that stay though another version serves."""
    kept = seen.service.kept
    return [instance.id for instance in seen.of(kept.version, *ALIVE)] if kept else []


def standing(seen: Seen, release: Release) -> Standing:
    """Both versions as a release needs to see them."""
    service, new = seen.service, seen.versions[release.new]
    failure = new.failure or {}
    return Standing(
        count=service.count,
        old_count=service.serving_count,
        ready_old=len(seen.of(release.old, State.READY)),
        ready_new=len(seen.current(release.new)),
        alive_old=len(seen.of(release.old, *ALIVE)),
        alive_new=sum(1 for i in seen.of(release.new, State.STARTING, State.READY, State.FAILED) if not i.final),
        leaving_new=len(seen.of(release.new, State.DRAINING)),
        shaky=sum(_shaky(instance, seen.now) for instance in seen.current(release.new)),
        prepared=new.prepared is not None,
        proven=new.served,
        trouble=str(failure.get("reason") or failure.get("cause") or "it failed") if failure else "",
        alone=seen.one_at_a_time(release.old, release.new),
    )


def _shaky(instance: Instance, now: float) -> bool:
    return instance.restarts > 0 and 0 <= now - (instance.ready_at or now) < _STEADY_SECONDS


def _after(service: Service, release: Release) -> Service:
    if release.phase is Phase.DONE:
        kept = None
        if release.keep and release.ended_at is not None:
            kept = Kept(release.old, service.serving_count, release.ended_at + release.keep)
        done = LastUpdate(release.new, "done")
        return replace(service, serving=release.new, serving_count=service.count, last_update=done, kept=kept)
    if release.phase in (Phase.RETURNING, Phase.FAILED):
        failed = LastUpdate(release.new, "failed")
        return replace(service, target=release.old, count=service.serving_count, last_update=failed)
    return service
