"""What a place where instances run has to offer. Words only: no I/O."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mlserve.images.recipe import Image, Recipe
from mlserve.workload import Mount, Resources, Workload

__all__ = [
    "Backend",
    "Capacity",
    "Changes",
    "FileBackend",
    "FileState",
    "Gpu",
    "ImageBackend",
    "Instance",
    "LogLine",
    "NoticingBackend",
    "RememberingBackend",
    "Resources",
    "Say",
    "State",
    "TellingBackend",
    "Workload",
]

Say = Callable[[str], None]
"""Called with a line of progress: what a build prints, how far a pull has come."""


class State(StrEnum):
    """Where an instance is in its life."""

    STARTING = "Starting"
    READY = "Ready"
    DRAINING = "Draining"
    STOPPED = "Stopped"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Instance:
    """One running (or ended) copy, as the backend sees it now."""

    id: str
    service: str
    version: int
    state: State
    address: str = ""
    """``host:port``, where it answers without the gateway's path prefix."""
    ports: Mapping[str, str] = field(default_factory=dict)
    """Name of a further port (``grpc``, ``metrics``) → ``host:port``."""
    restarts: int = 0
    reason: str = ""
    revision: str = "0"
    pid: int | None = None
    container: str | None = None
    started_at: float = 0.0
    """Seconds since the epoch, of the newest start."""
    ready_at: float | None = None
    ended_at: float | None = None
    final: bool = False
    """Failed, and the backend will not try it again."""
    phases: tuple[Mapping[str, Any], ...] = ()
    """``{"phase", "state": "running"|"done"|"failed", "at", "seconds"}`` as the program reported
    them (load, warm-up) and the backend saw them (probe)."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the program says is really in force: device, threads, versions."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the last death: see `mlserve.backends.evidence`."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that an instance wrote. ``at``: seconds since the epoch."""

    at: float
    instance: str
    text: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver tells it; memory in MB."""

    index: int
    memory_mb: int
    memory_free_mb: int
    name: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a place has and what is free; ``None`` where the place schedules by itself."""

    cpu: float | None = None
    cpu_free: float | None = None
    memory_mb: int | None = None
    memory_free_mb: int | None = None
    gpus: int | None = None
    gpus_free: int | None = None
    gpu_memory_gb: float | None = None
    gpu_memory_free_gb: float | None = None
    devices: tuple[Gpu, ...] = ()
    """The GPUs one by one."""


class Backend(Protocol):
    """A place where instances run. Every call may be repeated; nothing here waits for an instance to be ready.

    No call keeps the event loop waiting, also when the place can't be reached: `instances` and `ended` then say what
    was last seen, and the others raise ResourceUnavailable within seconds.
    """

    @property
    def trouble(self) -> str:
        """Why the place can't be asked just now, in words; empty when all is well."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What it says of itself, as last heard: ``version``, ``api``, ``os``, ``arch``, ``warning``; all may lack.

        ``id``: two places with the same one are one.
        """

    async def apply(self, workload: Workload) -> None:
        """Make exactly ``workload.count`` copies of this service version run; returns when accepted, not when ready.

        Surplus and outdated instances become Draining first and are stopped only once they are named in
        ``workload.withdrawn`` or have been draining for ``drain_seconds``. Raises NoCapacity, InvalidDescriptor.
        """

    async def remove(self, service: str, version: int | None = None) -> None:
        """Make none of it run and forget it, logs included when ``version`` is None; nothing there is no error."""

    async def instances(self, service: str | None = None) -> Sequence[Instance]:
        """What is really there; also what a restarted hub adopts."""

    async def ended(self, service: str | None = None) -> Sequence[Instance]:
        """Instances that are gone for good, whose log and evidence are still kept; until the service is removed."""

    def logs(
        self,
        service: str,
        *,
        instance: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        previous: bool = False,
    ) -> AsyncIterator[LogLine]:
        """Lines in time order; they outlive the instance. ``previous``: of the run before the newest start."""

    async def capacity(self) -> Capacity:
        """Total and free CPU, memory, GPUs and GPU memory."""

    async def close(self, *, for_good: bool = False) -> None:
        """Let go of it; what runs there goes on. ``for_good``: nobody will come back, so leave no way to it open."""


@runtime_checkable
class NoticingBackend(Backend, Protocol):
    """A place that notices by itself when something changes there."""

    changed: asyncio.Event
    """Set when an instance has changed, or the place is back; whoever looks then clears it."""


@runtime_checkable
class RememberingBackend(Backend, Protocol):
    """A place whose instances say themselves what they are."""

    async def remembered(self) -> Sequence[Workload]:
        """The workloads of all that is there for this hub, each with the ``record`` it was applied with.

        ``count``: how many of its instances there are. What can't be read is left out. Raises ResourceUnavailable.
        """


@dataclass(frozen=True, slots=True)
class FileState:
    """What was last seen of a file that instances may change."""

    size: int
    mtime: int
    digest: str = ""
    """Empty: as it was brought there."""
    recent: bool = False
    """It had just been written to: it may change again without its time telling."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The files of a mount as they are now, and those that are other than what was known."""

    files: Mapping[str, FileState]
    changed: tuple[str, ...]


@runtime_checkable
class FileBackend(Backend, Protocol):
    """A place that files are brought to, for instances to mount."""

    async def changes(
        self, workload: Workload, mount: Mount, known: Mapping[str, FileState] | None, into: Path, *, final: bool
    ) -> Changes:
        """Copy into a folder here what instances of a version have changed below a mount that is written back.

        ``known``: what the last call told; None: what was brought there. A file that may still be written to is left
        for a later call, unless this is the ``final`` one. Raises ResourceUnavailable.
        """

    async def sweep(self, kept: Sequence[Workload]) -> None:
        """Remove the files that none of these versions and no instance needs. Raises ResourceUnavailable."""


@runtime_checkable
class TellingBackend(Backend, Protocol):
    """A place that brings instances the files of `Workload.told`, which they can't read on the hub's machine."""

    async def tell(self, texts: Sequence[tuple[Instance, Mapping[str, str]]]) -> None:
        """Have each of these instances, which run, know what the files say now (by name); nothing where it does.

        All that are to be told are given each time. Raises ResourceUnavailable: some may know nothing new then.
        """


@runtime_checkable
class ImageBackend(Backend, Protocol):
    """A place whose instances are containers."""

    async def pull(self, image: str, auth: str, say: Say) -> str:
        """Have an image there; ``auth``: base64 of ``user:password``, or empty. Returns the reference to start it by.

        An image that is there already is not asked for again. Raises FetchFailed, ResourceUnavailable.
        """

    async def identify(self, image: str) -> str:
        """The id of an image that is there, ``sha256:…``; raises ResourceUnavailable, FetchFailed."""

    async def build(self, recipe: Recipe, say: Say, *, fresh: bool = False) -> Image:
        """Have an image of a recipe there, built unless one of the same digest is; ``fresh``: built whatever is there.

        Raises BuildFailed with the failing step and its last lines, ResourceUnavailable.
        """

    async def push(self, image: str, auth: str, say: Say) -> str:
        """Send an image to the registry its name says; returns ``name@sha256:…``. Raises FetchFailed."""
