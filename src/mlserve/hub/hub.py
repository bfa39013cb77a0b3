"""The hub's verbs: each writes what is wished and wakes the loop."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve import storage
from mlserve.backends.base import LogLine
from mlserve.backends.room import require_room
from mlserve.descriptor import Descriptor, name_of
from mlserve.engines.base import resources
from mlserve.errors import Conflict, InvalidInput, NotFound
from mlserve.hub import revising, view
from mlserve.hub.acceptance import Submission, accept
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.groups import joining
from mlserve.hub.places import Place, Places
from mlserve.hub.plan import Seen
from mlserve.hub.proposal import Action, How, Known, propose, shown
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.records import LastUpdate, Service
from mlserve.hub.releases.step import Told
from mlserve.hub.releases.strategies import first_to_next
from mlserve.hub.releases.verbs import Releases
from mlserve.hub.stories import stories
from mlserve.hub.wishes import Wishes

_TRIAL_SECONDS = 900.0


class Hub:
    """One control plane. Every verb returns at once; the loop does the rest."""

    def __init__(
        self,
        wishes: Wishes,
        places: Places,
        blueprints: Blueprints,
        content: storage.ContentStore,
        loop: Reconciler,
        gateway_url: str,
    ) -> None:
        self.wishes, self.places, self.content = wishes, places, content
        self._blueprints, self._loop, self._gateway_url = blueprints, loop, gateway_url
        self._limits = blueprints.limits
        self._releases = Releases(wishes, places, blueprints, self._changeable)

    async def create(
        self, submission: Submission, *, trial: bool = False, allowed: joining.Allowed = joining.anybody
    ) -> dict[str, Any]:
        """A new service; raises Conflict where the name is taken. ``allowed``: whose group it may join."""
        if not trial:
            revising.refuse_taken(self.wishes, submission)
        accepted = await accept(submission, self.places, self.content)
        descriptor = accepted.descriptor
        name, now = f"{descriptor.name[:50]}-test-{secrets.token_hex(3)}" if trial else descriptor.name, time.time()
        service = Service(
            name=name,
            token="" if descriptor.public else descriptor.token or secrets.token_urlsafe(24),
            public=descriptor.public,
            resource=accepted.place.name,
            created_at=now,
            updated_at=now,
            count=1 if trial else descriptor.metadata.instance,
            serving_count=descriptor.metadata.instance,
            trial_until=now + _TRIAL_SECONDS if trial else None,
        )
        if not trial:
            joining.join(self.wishes, self._limits, descriptor, allowed)
        self.wishes.create(service, revising.version(name, 1, submission, accepted))
        return self._woken(name)

    async def update(
        self,
        name: str,
        submission: Submission | None,
        settings: Sequence[str] = (),
        *,
        strategy: str = "",
        allowed: joining.Allowed = joining.anybody,
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

    async def plan(self, submission: Submission, *, strategy: str = "") -> dict[str, Any]:
        """What `create` or `update` would do with a submission; nothing is done. Raises as they do, before they act."""
        name = name_of(dict(submission.descriptor))
        service = self._changeable(name) if self.wishes.find(name) else None
        known = Known(service, self.wishes.version(name, service.target)) if service else None
        proposal = await propose(submission, known, self.places, self.content, How(strategy=strategy))
        joining.check(self.wishes, self._limits, proposal.accepted.descriptor)
        return shown(proposal)

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

    async def rollback(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Make a version serve that did before; raises Conflict, NotFound, NoCapacity before anything changes."""
        await self._releases.rollback(name, version)
        return self._woken(name)

    def delete(self, name: str) -> dict[str, Any]:
        """End and forget a service."""
        self._wish(name, deleting=True)
        return self._woken(name)

    async def add_resource(
        self, name: str, kind: str, options: Mapping[str, Any], *, credentials: Mapping[str, str], check: bool
    ) -> tuple[Place, list[str]]:
        """A new resource group, and the services that were taken up from it: it remembers what a lost store knew."""
        place = await self.places.add(name, kind, options, credentials=credentials, check=check)
        adopted = [] if place.backend.trouble else await self._loop.adopt(place)
        self._loop.wake()
        return place, adopted

    async def remove_resource(self, name: str) -> None:
        """Forget a group that no service uses; raises Conflict.

        One that is away may never come back: it takes along the services that are to be deleted there.
        """
        away = self.places.get(name).backend.trouble
        here = [service for service in self.wishes.services() if service.resource == name]
        users = [service.name for service in here if not (service.deleting and away)]
        if users:
            hint = "mlserve delete them with --no-wait first: what is away goes with its group" if away else ""
            raise Conflict(
                f'the resource group "{name}" is used by {", ".join(users)}', hint=hint or "delete these services first"
            )
        await self.places.remove(name)
        self._loop.wake()

    def describe(self, name: str) -> dict[str, Any]:
        """A service as its user sees it; raises NotFound."""
        seen = self._seen(self.wishes.service(name))
        newest = seen.versions[max(seen.versions)]
        progress = self._loop.progress.get((name, newest.number))
        place = self.places.find(seen.service.resource)
        kind = place.kind if place else "unknown"
        shown = view.service(seen, gateway=self._gateway_url, progress=progress, kind=kind)
        beside = view.beside(seen, self._limits(name, seen.service.serving or seen.service.target))
        return {**shown, **beside, "warnings": [*shown["warnings"], *self._loop.written.warnings(name)]}

    def list(self) -> Sequence[dict[str, Any]]:
        """All services but the throw-away ones."""
        return [self.describe(service.name) for service in self.wishes.services() if service.trial_until is None]

    def sights(self) -> Sequence[Seen]:
        """All services as they are."""
        return [self._seen(service) for service in self.wishes.services()]

    def versions(self, name: str) -> Sequence[dict[str, Any]]:
        """The versions of a service, newest first."""
        service = self.wishes.service(name)
        return [view.version(service, version) for version in reversed(self.wishes.versions(name))]

    def failures(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Why versions failed and why running instances last died, newest first."""
        return stories(self._seen(self.wishes.service(name)), self._blueprints.bounds)

    async def logs(self, name: str, **wanted: Any) -> AsyncIterator[LogLine]:
        """The lines that a service's instances wrote; those of what runs are where it runs, the others are kept."""
        service = self.wishes.service(name)
        instance = wanted.get("instance")
        place = self.places.get(service.resource)
        running = [one.id for one in await place.backend.instances(name)]
        known = [*running, *(one.id for one in await place.backend.ended(name))]
        if instance and instance not in known:
            raise NotFound(
                f'"{name}" has no instance "{instance}" (instances: {", ".join(known) or "none"})',
                hint=f"mlserve instances {name}",
            )
        if not wanted.get("previous") and (instance in running if instance else running):
            place.require_there()  # before the first byte: a stream that breaks off tells no reason
        return place.backend.logs(name, **wanted)

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

    def owner_of(self, name: str) -> str:
        """The name by which a service is somebody's: a throw-away one belongs to whoever has the one it stands for."""
        service = self.wishes.find(name)
        tried = service is not None and service.trial_until is not None
        return revising.named(self.wishes.version(name, 1).descriptor) if tried else name

    def _wish(self, name: str, **changes: Any) -> None:
        """Change what is wished now, not what was wished when the caller began."""
        service = self.wishes.service(name)
        self.wishes.put(replace(service, generation=service.generation + 1, updated_at=time.time(), **changes))

    def _woken(self, name: str) -> dict[str, Any]:
        self._loop.wake()
        return self.describe(name)

    def _forgive(self, service: Service) -> None:
        """Somebody asks again for a version that failed: it gets a new chance."""
        version = self.wishes.version(service.name, service.target)
        if version.failure:
            self.wishes.put_version(replace(version, failure=None))

    def _seen(self, service: Service) -> Seen:
        instances = self._loop.seen[service.name].instances if service.name in self._loop.seen else ()
        versions = {version.number: version for version in self.wishes.versions(service.name)}
        place = self.places.find(service.resource)
        trouble = place.backend.trouble if place else f'there is no resource group "{service.resource}" any more'
        told = self._loop.seen[service.name].told if service.name in self._loop.seen else Told()
        return Seen(service, versions, instances, trouble=trouble, told=told, now=time.time())
