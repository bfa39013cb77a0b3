"""The services of a hub as they look to those who ask; nothing here changes one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mlserve.backends.base import LogLine
from mlserve.errors import NotFound
from mlserve.hub import absent, revising, view
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling import names
from mlserve.hub.mirror import with_answers
from mlserve.hub.places import Places
from mlserve.hub.plan import Seen
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.records import Service
from mlserve.hub.stories import stories
from mlserve.hub.wishes import Wishes


class Services:
    """What was wished of each service, together with what the loop last saw of it."""

    def __init__(
        self, wishes: Wishes, places: Places, blueprints: Blueprints, loop: Reconciler, gateway_url: str
    ) -> None:
        self._wishes, self._places, self._blueprints = wishes, places, blueprints
        self._loop, self._gateway_url = loop, gateway_url

    def describe(self, name: str) -> dict[str, Any]:
        """A service as its user sees it; raises NotFound."""
        seen = self._seen(self._wishes.service(name))
        newest = seen.versions[max(seen.versions)]
        progress = self._loop.progress.get((name, newest.number))
        place = self._places.find(seen.service.resource)
        kind = place.kind if place else "unknown"
        shown = view.service(seen, gateway=self._gateway_url, progress=progress, kind=kind)
        limits = self._blueprints.limits(name, seen.service.in_force)
        shown |= with_answers(view.related(seen, limits), self._loop.comparisons.of_mirror(seen.service))
        shown = names.with_unknown(shown, limits.calls, self._wishes, self._blueprints.limits)
        found = [*shown["warnings"], *absent.warnings(shown, self._wishes), *self._loop.written.warnings(name)]
        return {**shown, "warnings": found}

    def list(self) -> Sequence[dict[str, Any]]:
        """All services but the throw-away ones."""
        return [self.describe(service.name) for service in self._wishes.services() if service.trial_until is None]

    def seen(self) -> Sequence[Seen]:
        """All services as the loop sees them."""
        return [self._seen(service) for service in self._wishes.services()]

    def versions(self, name: str) -> Sequence[dict[str, Any]]:
        """The versions of a service, newest first."""
        service = self._wishes.service(name)
        return [view.version(service, version) for version in reversed(self._wishes.versions(name))]

    def failures(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Why versions failed and why running instances last died, newest first."""
        return stories(self._seen(self._wishes.service(name)), self._blueprints.bounds)

    async def logs(self, name: str, **wanted: Any) -> AsyncIterator[LogLine]:
        """The lines that a service's instances wrote; those of what runs are where it runs, the others are kept."""
        service = self._wishes.service(name)
        instance = wanted.get("instance")
        place = self._places.get(service.resource)
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

    def owner_of(self, name: str) -> str:
        """The name by which a service is somebody's: a throw-away one belongs to whoever has the one it stands for."""
        service = self._wishes.find(name)
        tried = service is not None and service.trial_until is not None
        return revising.named(self._wishes.version(name, 1).descriptor) if tried else name

    def _seen(self, service: Service) -> Seen:
        last = self._loop.seen.get(service.name) or Seen(service, {})
        versions = {version.number: version for version in self._wishes.versions(service.name)}
        place = self._places.find(service.resource)
        trouble = place.backend.trouble if place else f'there is no resource group "{service.resource}" any more'
        # A place that is back is not taken for well until the instances were seen since.
        trouble = trouble or last.trouble
        return Seen(service, versions, last.instances, trouble=trouble, measured=last.measured, now=time.time())
