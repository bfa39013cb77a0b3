"""Copy to their buckets what instances change in mounts that are not read-only: every minute, and when they end.

A file that an instance removes stays in the bucket, and of two instances that write the same file the last one wins.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlserve import storage
from mlserve.backends.aside import aside
from mlserve.backends.base import FileBackend, FileState, State
from mlserve.errors import MlserveError
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.jobs import Key
from mlserve.hub.places import Place, Places
from mlserve.hub.records import Version
from mlserve.hub.wishes import Wishes
from mlserve.storage.manifest import NEVER_SERVED
from mlserve.workload import Mount, Workload

log = logging.getLogger("mlserve.hub")

_RUNNING = (State.STARTING, State.READY, State.DRAINING)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    look: float = 1.0
    between: float = 60.0
    """From one copying to the next, while instances run."""
    retry: float = 10.0
    share: float = 10.0
    """How many times as long as a copying took it is waited, at least, until the next."""
    patience: float = 300.0
    """How long a service that is deleted waits for a bucket that takes nothing."""


@dataclass(slots=True)
class Watched:
    """What is known of one version whose files are written back."""

    running: frozenset[str] = frozenset()
    unsaved: bool = True
    """There may be changes that the bucket lacks; after a start of the hub nobody knows."""
    due: float = 0.0
    task: asyncio.Task[None] | None = None
    problem: str = ""

    def see(self, running: frozenset[str], now: float) -> None:
        """Its instances as they are now; when one has ended, what it wrote is copied soon."""
        if self.running - running:
            self.due = now
        self.unsaved = self.unsaved or bool(running)
        self.running = running


class WriteBack:
    """All versions of a hub that write to buckets."""

    def __init__(
        self, home: Path, wishes: Wishes, places: Places, blueprints: Blueprints, *, pace: Pace | None = None
    ) -> None:
        self._home, self._wishes, self._places, self._blueprints = home / "written", wishes, places, blueprints
        self._pace = pace or Pace()
        self._watched: dict[Key, Watched] = {}
        self._deleting: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except MlserveError as exc:  # a group that is away or gone: it is looked at again
                    log.info("event=write-back-waits reason=%r", exc.message)
                await asyncio.sleep(self._pace.look)
        finally:
            for watched in self._watched.values():
                if watched.task:
                    watched.task.cancel()

    async def look(self) -> None:
        """See what runs, and begin what is due."""
        now = time.time()
        for place, version, workload in self._written():
            backend = place.backend
            if not isinstance(backend, FileBackend):
                continue
            there = await backend.instances(version.service)
            running = {one.id for one in there if one.version == version.number and one.state in _RUNNING}
            watched = self._watched.setdefault((version.service, version.number), Watched())
            watched.see(frozenset(running), now)
            if watched.unsaved and now >= watched.due and watched.task is None and not backend.trouble:
                name = f"write back {version.service} {version.number}"
                watched.task = asyncio.create_task(self._copy(place, backend, workload, watched), name=name)

    def done(self, service: str) -> bool:
        """Whether nothing of a service that ends is left to be copied, or it was tried for long enough."""
        left = [watched for key, watched in self._watched.items() if key[0] == service and watched.unsaved]
        since = self._deleting.setdefault(service, time.time())
        # What is being copied just now is not given up: large files over a slow line take longer than the patience.
        if any(watched.task for watched in left) or (left and time.time() - since < self._pace.patience):
            return False
        for watched in left:
            log.warning("event=write-back-lost service=%s reason=%r", service, watched.problem)
        return True

    def warnings(self, service: str) -> list[dict[str, Any]]:
        """What could not be copied of a service so far, for its description."""
        found = [watched.problem for key, watched in sorted(self._watched.items()) if key[0] == service]
        return [{"pointer": "/storage", "code": "not-written-back", "message": text} for text in found if text]

    def forget(self, service: str) -> None:
        """A service is gone."""
        self._deleting.pop(service, None)
        for key in [key for key in self._watched if key[0] == service]:
            del self._watched[key]
        shutil.rmtree(self._home / service, ignore_errors=True)

    async def flush(self, seconds: float) -> None:
        """Copy what is left now that all instances have ended; what takes longer is left to the next hub."""
        end = time.time() + seconds
        await self.look()
        while time.time() < end and any(watched.unsaved for watched in self._watched.values()):
            await asyncio.sleep(0.1)
            await self.look()

    def _written(self) -> Iterator[tuple[Place, Version, Workload]]:
        for service in self._wishes.services():
            place = self._places.find(service.resource)
            for version in self._wishes.versions(service.name) if place else ():
                if place and version.prepared and any(_written(self._blueprints.workload(version))):
                    yield place, version, self._blueprints.workload(version)

    async def _copy(self, place: Place, backend: FileBackend, workload: Workload, watched: Watched) -> None:
        began, final = time.time(), not watched.running
        try:
            for mount in _written(workload):
                options = storage.FetchOptions(endpoint=mount.endpoint or None, credentials=place.credentials)
                await self._copy_mount(backend, workload, mount, options, final=final)
        except (MlserveError, OSError) as exc:
            reason = exc.message if isinstance(exc, MlserveError) else str(exc)
            if reason != watched.problem:
                log.warning("event=write-back-failed service=%s reason=%r", workload.service, reason)
            watched.problem, watched.due = reason, time.time() + self._pace.retry
        else:
            pause = max(self._pace.between, self._pace.share * (time.time() - began))
            watched.problem, watched.due = "", time.time() + pause
            if final and not watched.running:
                watched.unsaved = False
            elif not watched.running:
                watched.due = 0.0  # they ended meanwhile: what they wrote last is still to come
        finally:
            watched.task = None

    async def _copy_mount(
        self, backend: FileBackend, workload: Workload, mount: Mount, options: storage.FetchOptions, *, final: bool
    ) -> None:
        note = self._note(workload, mount)
        folder = note.with_suffix(".changed")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        try:
            found = await backend.changes(workload, mount, await aside(lambda: _noted(note)), folder, final=final)
            if any(not NEVER_SERVED & set(name.split("/")) for name in found.changed):
                await aside(partial(storage.put, folder, mount.write_back, options=options))
                log.info("event=written-back service=%s files=%s", workload.service, len(found.changed))
            await aside(lambda: _keep(note, found.files))
        finally:
            await aside(lambda: shutil.rmtree(folder, ignore_errors=True))

    def _note(self, workload: Workload, mount: Mount) -> Path:
        digest = hashlib.sha256(f"{mount.path}\0{mount.source}".encode()).hexdigest()[:16]
        return self._home / workload.service / f"{workload.version}-{digest}.json"


def _written(workload: Workload) -> Sequence[Mount]:
    return [mount for mount in workload.mounts if mount.write_back]


def _noted(note: Path) -> dict[str, FileState] | None:
    try:
        return {name: FileState(**state) for name, state in json.loads(note.read_text()).items()}
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):  # all of it is copied once more
        return {}


def _keep(note: Path, files: Mapping[str, FileState]) -> None:
    beside = note.with_suffix(".new")
    beside.write_text(json.dumps({name: asdict(state) for name, state in files.items()}))
    beside.replace(note)
