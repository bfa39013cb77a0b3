"""Free the disk of what no version needs any more, here and at every place that keeps files for its instances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from mlserve.backends.aside import aside
from mlserve.backends.base import FileBackend
from mlserve.errors import MlserveError
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.places import Places
from mlserve.hub.prepare import Preparer
from mlserve.hub.wishes import Wishes
from mlserve.workload import Workload

log = logging.getLogger("mlserve.hub")


class Sweep:
    """Runs beside the loop; where it can't free something, the next delete tries again."""

    def __init__(self, wishes: Wishes, places: Places, blueprints: Blueprints, preparer: Preparer) -> None:
        self._wishes, self._places = wishes, places
        self._blueprints, self._preparer = blueprints, preparer
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep once, beside whatever the caller does next."""
        self._running = asyncio.create_task(self._sweep(), name="sweep")

    async def _sweep(self) -> None:
        versions = [version for service in self._wishes.services() for version in self._wishes.versions(service.name)]
        try:
            await aside(partial(self._preparer.sweep, versions))
            # Of all versions, not only of those at this place: the same engine may be two groups.
            kept = [self._blueprints.workload(version) for version in versions if version.prepared]
        except (OSError, ValueError, MlserveError) as exc:
            log.warning("event=sweep-failed reason=%r", str(exc))
            return
        for place in self._places.all():
            if isinstance(place.backend, FileBackend):
                await self._sweep_files(place.name, place.backend, kept)

    async def _sweep_files(self, name: str, backend: FileBackend, kept: Sequence[Workload]) -> None:
        try:
            await backend.sweep(kept)
        except MlserveError as exc:
            log.warning("event=sweep-failed resource=%s reason=%r", name, exc.message)
