"""The hub's verbs: each writes what is wished and wakes the loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlserve import storage
from mlserve.backends.room import require_room
from mlserve.descriptor import Descriptor, name_of
from mlserve.engines.base import resources
from mlserve.errors import InvalidInput
from mlserve.hub import revising
from mlserve.hub.acceptance import Submission, accept
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling import names
from mlserve.hub.groups import joining
from mlserve.hub.places import Place, Places
from mlserve.hub.proposal import Action, How, Known, propose, shown
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.records import LastUpdate, Service
from mlserve.hub.references import Allowed, anybody
from mlserve.hub.releases.strategies import first_to_next
from mlserve.hub.releases.verbs import Releases
from mlserve.hub.services import Services
from mlserve.hub.wishes import Wishes


class Hub:
    """One control plane. Every verb returns at once; the loop does the rest."""

    def __init__(
        self,
        wishes: Wishes,
        places: Places,
        blueprints: Blueprints,
        content: storage.ContentStore,
        loop: Reconciler,
        services: Services,
    ) -> None:
        self.wishes, self.places, self.content = wishes, places, content
        self._blueprints, self._loop, self._services = blueprints, loop, services
        self._limits = blueprints.limits
        self._releases = Releases(wishes, places, blueprints, self._changeable)

    async def create(
        self, submission: Submission, *, trial: bool = False, allowed: Allowed = anybody
    ) -> dict[str, Any]:
        """A new service; raises Conflict where the name is taken. ``allowed``: whose group it may join."""
        if not trial:
            revising.refuse_taken(self.wishes, submission)
        accepted = await accept(submission, self.places, self.content)
        first = revising.first(accepted, trial=trial)
        joining.join(self.wishes, self._limits, accepted.descriptor, allowed, trial=trial)
        self.wishes.create(first, revising.version(first.name, 1, submission, accepted))
        return self._woken(first.name)

    async def update(
        self,
        name: str,
        submission: Submission | None,
        settings: Sequence[str] = (),
        *,
        strategy: str = "",
        allowed: Allowed = anybody,
    ) -> dict[str, Any]:
        """A new version of a service; only another ``metadata.instance`` is a scale and makes none."""
        # Without a descriptor it is about the values that are set, and nothing beside them.
        how = How(look=submission is not None, strategy=strategy)
        service = self._changeable(name)
        known = Known(service, self.wishes.version(name, service.target))
        submission = revising.merged(known.newest, submission, settings)
        if (named := name_of(dict(submission.descriptor))) != name:
            raise InvalidInput(
                f'the descriptor names the service "{named}", not "{name}"', hint="a service keeps its name"
            )
        proposal = await propose(submission, known, self.places, self.content, how)
        proposal.require_possible()
        service, accepted = self._changeable(name), proposal.accepted
        joining.move(self.wishes, self._limits, accepted.descriptor, allowed)
        new = revising.side(submission, accepted.descriptor, accepted.place.name)
        count = revising.count(service, revising.kept(service, known.newest), new)
        if proposal.action in (Action.SCALE, Action.NOTHING):
            return await self._scale(name, count, said_instances=new.instances, said_version=known.newest.number)
        number = service.latest + 1
        self.wishes.put_version(revising.version(name, number, submission, accepted))
        self._wish(
            name,
            latest=number,
            target=number,
            count=count,
            serving_count=service.count,
            last_update=LastUpdate(number, "running"),
            stopped=False,
            release=first_to_next(service, accepted.descriptor, number, count=count, strategy=strategy),
            kept=None,
            **revising.access(service, accepted.descriptor),
        )
        return self._woken(name)

    async def scale(self, name: str, count: int) -> dict[str, Any]:
        """Another number of instances; raises NoCapacity before anything changes."""
        return await self._scale(name, count)

    async def plan(self, submission: Submission, *, strategy: str = "", allowed: Allowed = anybody) -> dict[str, Any]:
        """What `create` or `update` would do with a submission; nothing is done. Raises as they do, before they act."""
        name = name_of(dict(submission.descriptor))
        service = self._changeable(name) if self.wishes.find(name) else None
        known = Known(service, self.wishes.version(name, service.target)) if service else None
        proposal = await propose(submission, known, self.places, self.content, How(strategy=strategy))
        joining.check(self.wishes, self._limits, proposal.accepted.descriptor, allowed)
        return names.with_unknown(shown(proposal), proposal.accepted.descriptor.calls, self.wishes, self._limits)

    async def start(self, name: str) -> dict[str, Any]:
        """Run a stopped or failed service again; raises NoCapacity."""
        service = self._changeable(name)
        failed = self.wishes.version(name, service.target).failure is not None
        if not service.stopped and not failed:
            return self._woken(name)
        place = self._there(service)
        if service.stopped:
            capacity = await place.backend.capacity()
            require_room(resources(self._descriptor(service)), service.count, capacity)
            service = self._changeable(name)
        self._forgive(service)
        self._wish(name, stopped=False, restarts=service.restarts + int(failed))
        return self._woken(name)

    def stop(self, name: str) -> dict[str, Any]:
        """End all instances and keep the service."""
        self._wish(name, stopped=True)
        return self._woken(name)

    async def restart(self, name: str) -> dict[str, Any]:
        """Replace the instances one at a time."""
        service = self._changeable(name)
        if service.stopped:
            return await self.start(name)
        self._there(service)
        self._forgive(service)
        self._wish(name, restarts=service.restarts + 1, last_update=None)
        return self._woken(name)

    def release(self, name: str, verb: str) -> dict[str, Any]:
        """Promote, pause, resume or abort the release that is under way; raises Conflict where none is."""
        verbs = self._releases
        known = {"promote": verbs.promote, "pause": verbs.pause, "resume": verbs.resume, "abort": verbs.abort}
        known[verb](name)
        return self._woken(name)

    async def rollback(self, name: str, version: int | None = None, *, allowed: Allowed = anybody) -> dict[str, Any]:
        """Make a version serve that did before; raises Conflict, NotFound, NoCapacity before anything changes."""
        await self._releases.rollback(name, version, allowed)
        return self._woken(name)

    def delete(self, name: str) -> dict[str, Any]:
        """End and forget a service."""
        self._wish(name, deleting=True)
        return self._woken(name)

    async def _scale(self, name: str, count: int, **said: int) -> dict[str, Any]:
        service = self._changeable(name)
        revising.require_count(name, count)
        more = 0 if service.stopped else max(count - service.count, 0)
        capacity = await self._there(service).backend.capacity()
        require_room(resources(self._descriptor(service)), more, capacity)
        self._changeable(name)  # much can be wished while a question is out
        self._wish(name, count=count, serving_count=count, **said)
        return self._woken(name)

    def _changeable(self, name: str) -> Service:
        return revising.changeable(self.wishes, name)

    def _there(self, service: Service) -> Place:
        """The service's group; raises ResourceUnavailable while it is away, before anything is wished of it."""
        place = self.places.get(service.resource)
        place.require_there()
        return place

    def _descriptor(self, service: Service) -> Descriptor:
        return self._blueprints.of(self.wishes.version(service.name, service.target)).descriptor

    def _wish(self, name: str, **changes: Any) -> None:
        """Change what is wished now, not what was wished when the caller began."""
        service = self.wishes.service(name)
        self.wishes.put(replace(service, generation=service.generation + 1, updated_at=time.time(), **changes))

    def _woken(self, name: str) -> dict[str, Any]:
        self._loop.wake()
        return self._services.describe(name)

    def _forgive(self, service: Service) -> None:
        """Somebody asks again for a version that failed: it gets a new chance."""
        version = self.wishes.version(service.name, service.target)
        if version.failure:
            self.wishes.put_version(replace(version, failure=None))
