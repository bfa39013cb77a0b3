"""What a place where instances run has to offer. Words only: no I/O."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from mlserve.workload import Resources, Workload

__all__ = ["Backend", "Capacity", "Instance", "LogLine", "Resources", "State", "Workload"]


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


class Backend(Protocol):
    """A place where instances run. Every call may be repeated; nothing here waits for an instance to be ready."""

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
