"""The loop: observe → publish routes → decide → apply. Level-triggered; a lost wake-up costs one tick."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from mlserve.errors import MlserveError, ResourceUnavailable
from mlserve.gateway.envoy import Gateway
from mlserve.hub import failures, releasing
from mlserve.hub.admission import Admission
from mlserve.hub.applying import Applier
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling.call_tokens import CallTokens
from mlserve.hub.comparing.comparisons import Comparisons
from mlserve.hub.comparing.report import lines
from mlserve.hub.figures import with_figures
from mlserve.hub.jobs import Jobs, Key
from mlserve.hub.lanes import Lanes
from mlserve.hub.noticing import Noticing
from mlserve.hub.observing import Observer
from mlserve.hub.outcomes import Outcomes
from mlserve.hub.places import Place, Places
from mlserve.hub.plan import Decision, Seen, decide, quiet
from mlserve.hub.prepare import Preparer
from mlserve.hub.progress import PreparationFailed, Progress
from mlserve.hub.proving import Prover
from mlserve.hub.publishing import Publishing
from mlserve.hub.records import Service, Version
from mlserve.hub.renewing import Renewal
from mlserve.hub.settings import Settings
from mlserve.hub.sweep import Sweep
from mlserve.hub.telling import Telling
from mlserve.hub.wishes import Wishes
from mlserve.hub.writing_back import WriteBack

log = logging.getLogger("mlserve.hub")


class Reconciler:
    """Makes what is equal to what was wished, a step at a time."""

    def __init__(
        self,
        settings: Settings,
        wishes: Wishes,
        places: Places,
        blueprints: Blueprints,
        preparer: Preparer,
        gateway: Gateway,
        admission: Admission,
        call_tokens: CallTokens,
    ) -> None:
        self._settings, self._wishes, self._places = settings, wishes, places
        self._blueprints, self._preparer, self._gateway = blueprints, preparer, gateway
        self._admission, self.telling = admission, Telling(places, admission, call_tokens)
        self._outcomes, secret = Outcomes(wishes, blueprints, self.wake), secrets.token_urlsafe(16)
        self._publishing = Publishing(settings, wishes, blueprints, gateway, admission, call_tokens, secret)
        self._prover = Prover(settings, gateway, blueprints, secret, self._outcomes.change)
        self._jobs, self._renewal = Jobs(self._finished), Renewal(self._outcomes.change)
        self.written = WriteBack(settings.home, wishes, places, blueprints)
        self._observer, self._lanes = Observer(wishes, places), Lanes(self.wake)
        self._noticing, self._applier = Noticing(places, self.wake), Applier(places, blueprints, gateway, call_tokens)
        self._sweep = Sweep(wishes, places, blueprints, preparer)
        self.comparisons = Comparisons(blueprints.limits, blueprints.rules)
        self._complaint = ""
        """What was last said of a look that failed: the same is not said again and again."""
        self._settled: dict[str, tuple[Any, ...]] = {}
        self._changed = asyncio.Event()
        self.progress: dict[Key, Progress] = {}
        self.seen: dict[str, Seen] = {}
        """The newest sight of each service."""

    def wake(self) -> None:
        """Something was wished or has changed: look now."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        watchers = [asyncio.create_task(self._gateway.watch()), asyncio.create_task(self.written.run())]
        try:
            while True:
                busy = await self._tick_safely()
                pause = self._settings.busy_interval if busy else self._settings.idle_interval
                # Not wait_for: it can swallow the cancellation that ends this loop.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._changed.wait()
        finally:
            self._jobs.cancel()
            self._lanes.cancel()
            self._noticing.cancel()
            self.telling.cancel()
            for task in watchers:
                task.cancel()

    async def first_look(self) -> None:
        """See what is there before anybody asks; nothing that is wished is changed."""
        await self._observer.first_answers()
        self.seen = _by_name(await self._observer.look())

    async def adopt(self, place: Place) -> list[str]:
        """Take up what runs at a place for a hub that has forgotten it; the names of those services."""
        adopted = await self._observer.adopt(place)
        self.wake()
        return adopted

    async def tick(self) -> bool:
        """One look and one step for each service; True while something is under way."""
        self._changed.clear()
        self._noticing.follow()
        sights = await self._observer.look()
        try:
            self._admission.tell(time.time())  # before an instance starts that asks for it
            self.telling.begin(sights)
            await self._publishing.publish(sights)
        except MlserveError:
            self.seen = _by_name(sights)  # what runs is told, whatever ails the gateway
            raise
        sights = [replace(seen, routed=self._publishing.versions.get(seen.service.name)) for seen in sights]
        sights = await with_figures(self._gateway, self.comparisons, sights)
        # Not before: what is told to be ready is asked at once, and the gateway may need a moment to take it up.
        self.seen = _by_name(sights)
        moving = [seen for seen in sights if self._settled.get(seen.service.name) != self._mark(seen)]
        # At a place that is away nothing is planned: what is wished there waits.
        moving = [seen for seen in moving if self._may_move(seen)]
        work = {name: partial(self._steps, list(group)) for name, group in _by_place(moving)}
        await self._lanes.run(work)
        return bool(moving)

    def _may_move(self, seen: Seen) -> bool:
        """Whether its place can be asked. One that is gone for good keeps nobody from being deleted."""
        orphaned = seen.service.deleting and self._places.find(seen.service.resource) is None
        return orphaned or not (seen.trouble or self._lanes.busy(seen.service.resource))

    async def _steps(self, sights: Sequence[Seen]) -> None:
        for seen in sights:
            await self._step_safely(seen)

    async def _tick_safely(self) -> bool:
        try:
            busy = await self.tick()
        except MlserveError as exc:
            if exc.message != self._complaint:
                log.warning("event=tick-failed code=%s reason=%r", exc.code, exc.message)
            self._complaint = exc.message
        except Exception:
            # The loop is what everything else hangs on: one bad look must not end it.
            log.exception("event=tick-crashed")
        else:
            self._complaint = ""
            return busy
        await asyncio.sleep(self._settings.trouble_interval)
        return True

    async def _step_safely(self, seen: Seen) -> None:
        name = seen.service.name
        try:
            await self._step(seen)
        except ResourceUnavailable as exc:
            log.warning("event=step-waits service=%s reason=%r", name, exc.message)
        except MlserveError as exc:
            log.warning("event=step-failed service=%s code=%s reason=%r", name, exc.code, exc.message)
            self._outcomes.fail(seen, failures.of_error(name, seen.service.target, "load", exc, at=time.time()))
        except Exception as exc:
            log.exception("event=step-crashed service=%s", name)
            self._outcomes.fail(seen, failures.of_crash(name, seen.service.target, "load", exc, at=time.time()))

    async def _step(self, seen: Seen) -> None:
        name = seen.service.name
        if self._wishes.find(name) is not seen.service:
            return  # something else was wished since this look: writing it back would undo that
        decision = decide(seen)
        if decision.failed and self._renewal.begin(seen, decision.failed):
            return  # what was decided is about what is gone
        if decision.service != seen.service:
            self._wishes.put(decision.service)
        if decision.failed:
            self._outcomes.fail_by(seen, decision.failed)
        if decision.blame:
            differing = lines(seen.measured.answers) if seen.measured.answers else ()
            judged = bool(seen.service.release and seen.service.release.gates)
            story = failures.of_release(
                name, seen.service.target, decision.blame, differing, judged=judged, at=time.time()
            )
            self._outcomes.fail(seen, story)
        if decision.service.deleting:
            await self._delete(seen, decision)
            return
        await self._applier.apply(seen, decision, self._publishing.addresses)
        if decision.prepare:
            self._jobs.start("prepare", (name, decision.prepare), self._prepare(seen.versions[decision.prepare]))
        if decision.prove:
            proving = self._prover.prove(seen, decision.prove, self._publishing.addresses)
            self._jobs.start("prove", (name, decision.prove), proving)
        self._expire(seen.service)
        if quiet(seen, decision):
            self._settled[name] = self._mark(seen)

    async def _delete(self, seen: Seen, decision: Decision) -> None:
        # The routes went with the last publication, since the wish to delete was in it.
        name = seen.service.name
        self._jobs.drop(name)
        self._observer.deleted(name)
        place = self._places.find(seen.service.resource)
        if place:
            await place.backend.remove(name)
        if not decision.forget:
            return  # the name is free once nothing of the old service runs
        if place and not self.written.done(name):
            return  # nor is anything of it still to be copied to its buckets
        self.written.forget(name)
        self._wishes.delete(name)
        self._blueprints.forget(name)
        self._preparer.forget(name)
        self._renewal.forget(name)
        self._settled.pop(name, None)
        self._prover.forget(name)
        self.progress = {key: value for key, value in self.progress.items() if key[0] != name}
        log.info("event=deleted service=%s", name)
        self._sweep.start()

    async def _prepare(self, version: Version) -> None:
        key = (version.service, version.number)
        progress = self.progress[key] = Progress()
        blueprint = self._blueprints.of(version)
        try:
            place = self._places.get(self._wishes.service(version.service).resource)
            prepared = await self._preparer.prepare(version, blueprint, place, progress)
        except PreparationFailed as exc:
            story = failures.of_error(version.service, version.number, exc.phase, exc.error, at=time.time())
            self._outcomes.change(version, failure=story)
        else:
            self._outcomes.change(version, prepared=prepared)

    def _expire(self, service: Service) -> None:
        if service.trial_until is not None and time.time() > service.trial_until:
            self._wishes.put(replace(self._wishes.service(service.name), deleting=True))
            self.wake()

    def _finished(self, kind: str, key: Key, error: BaseException | None) -> None:
        if error:
            self._outcomes.crash(kind, key, error)
        self.wake()

    def _mark(self, seen: Seen) -> tuple[Any, ...]:
        return (seen.service, tuple(seen.versions.values()), seen.instances, releasing.overdue(seen))


def _by_place(sights: Sequence[Seen]) -> Iterator[tuple[str, Iterator[Seen]]]:
    return groupby(sorted(sights, key=lambda seen: seen.service.resource), key=lambda seen: seen.service.resource)


def _by_name(sights: Sequence[Seen]) -> dict[str, Seen]:
    return {seen.service.name: seen for seen in sights}
