"""What people do to a release, and going back to a version: each verb writes what is wished."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlserve.backends.room import require_room
from mlserve.engines.base import resources
from mlserve.errors import Conflict, NotFound
from mlserve.hub import failures, revising
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.groups import joining
from mlserve.hub.places import Places
from mlserve.hub.records import LastUpdate, Service, Version
from mlserve.hub.references import Allowed
from mlserve.hub.releases import step, strategies
from mlserve.hub.releases.records import Release
from mlserve.hub.releasing import under_way
from mlserve.hub.wishes import Wishes

Changeable = Callable[[str], Service]
"""A service, where nothing is under way that it would disturb; raises Conflict."""


class Releases:
    """The releases of a hub's services."""

    def __init__(self, wishes: Wishes, places: Places, blueprints: Blueprints, changeable: Changeable) -> None:
        self._wishes, self._places, self._blueprints = wishes, places, blueprints
        self._changeable = changeable

    def promote(self, name: str) -> None:
        """Let the step pass that it is at."""
        self._put(name, step.promote(self._under_way(name)))

    def pause(self, name: str) -> None:
        """Stay at the step that it is at."""
        self._put(name, step.pause(self._under_way(name), time.time()))

    def resume(self, name: str) -> None:
        """Go on after a pause."""
        self._put(name, step.resume(self._under_way(name), time.time()))

    def abort(self, name: str) -> None:
        """All requests go back to the old version."""
        version = self._wishes.version(name, self._under_way(name).new)
        if version.failure is None:
            story = failures.of_release(name, version.number, "it was aborted", judged=False, at=time.time())
            self._wishes.put_version(replace(version, failure=story))

    async def rollback(self, name: str, number: int | None, allowed: Allowed) -> None:
        """Make another version serve that did before; raises Conflict, NotFound, NoCapacity before anything changes."""
        service = self._changeable(name)
        target = self._back(service, number)
        descriptor = self._blueprints.of(target).descriptor
        place = self._places.get(service.resource)
        place.require_there()
        kept = service.kept.count if service.kept and service.kept.version == target.number else 0
        require_room(resources(descriptor), max(service.count - kept, 0), await place.backend.capacity())
        service = self._changeable(name)  # much can be wished while a question is out
        target = self._back(service, target.number)
        joining.back(self._wishes, self._blueprints.limits, descriptor, allowed)
        if target.failure is not None:
            self._wishes.put_version(replace(target, failure=None))
        self._wishes.put(
            replace(
                service,
                generation=service.generation + 1,
                updated_at=time.time(),
                target=target.number,
                serving_count=service.count,
                stopped=False,
                last_update=LastUpdate(target.number, "running"),
                release=strategies.back(descriptor, service.serving or 0, target.number, now=time.time()),
                **revising.access(service, descriptor),
            )
        )

    def _back(self, service: Service, number: int | None) -> Version:
        name = service.name
        if service.serving is None:
            raise Conflict(f'no version of "{name}" serves yet', hint=f"mlserve why {name}")
        good = [version for version in self._wishes.versions(name) if version.served and not _refused(version)]
        before = [version for version in good if version.number != service.serving]
        known = ", ".join(str(version.number) for version in before) or "none"
        if number is None:
            older = [v.number for v in before if v.number < service.serving and not v.failure]
            number = service.kept.version if service.kept else max(older, default=None)
            if number is None:
                raise NotFound(f'"{name}" has no version to go back to', hint=f"mlserve versions {name}")
        if number == service.serving:
            raise Conflict(f'version {number} of "{name}" serves already', hint=f"others that did: {known}")
        version = self._wishes.version(name, number)
        if not version.served:
            raise Conflict(f'version {number} of "{name}" never served', hint=f"those that did: {known}")
        if _refused(version):
            raise Conflict(
                f'version {number} of "{name}" was given up by its release: {(version.failure or {})["reason"]}',
                hint=f"mlserve update has its descriptor judged again; those that served: {known}",
            )
        _require_there(version)
        return version

    def _under_way(self, name: str) -> Release:
        release = under_way(self._wishes.service(name))
        if release is None:
            raise Conflict(f'no release of "{name}" is under way', hint=f"mlserve release status {name}")
        return release

    def _put(self, name: str, release: Release) -> None:
        self._wishes.put(replace(self._wishes.service(name), release=release))


def _refused(version: Version) -> bool:
    """Whether the gates of a release spoke against it; going back is not judged, so nothing else would stop it."""
    return version.failure is not None and version.failure["cause"] == failures.GATES_FAILED


def _require_there(version: Version) -> None:
    """Raise NotFound where what a version served from is gone from this machine."""
    prepared = version.prepared
    paths = [] if prepared is None or prepared.image else [*prepared.paths.values(), prepared.python]
    gone = next((path for path in paths if Path(path).is_absolute() and not Path(path).exists()), None)
    if gone:
        raise NotFound(
            f"version {version.number} of {version.service} can't serve again: {gone} is gone",
            hint="mlserve update it with a descriptor whose files are there",
        )
