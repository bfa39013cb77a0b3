"""The answers of the management API, for its OpenAPI document; a test holds the hub to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mlserve.hub.api.fallback_answers import FallbackAnswer
from mlserve.hub.api.mirror_answers import MirrorAnswer
from mlserve.hub.api.release_answers import KeptVersion, ReleaseAnswer


class Answer(BaseModel):
    """An answer has these members and no others."""

    model_config = ConfigDict(extra="forbid")


class Phase(Answer):
    """One phase of a start: fetch, verify, convert, environment, load, warm-up, probe."""

    phase: str
    state: Literal["running", "done", "failed"]
    at: float
    seconds: float | None
    detail: str = ""


class InstanceAnswer(Answer):
    """One running copy; ``pid`` on local groups, ``container`` on Docker groups.

    ``facts``: the device, threads and versions that really serve; ``drift``: what it finds, where it watches for it.
    """

    id: str
    version: int
    state: Literal["Starting", "Ready", "Draining", "Stopped", "Failed"]
    address: str
    restarts: int
    reason: str
    pid: int | None = None
    container: str | None = None
    facts: dict[str, Any]
    drift: dict[str, Any] | None = None
    phases: list[Phase]
    started_at: str
    ready_at: str | None


class FailureRecord(Answer):
    """Why a version did not start, or why an instance died."""

    service: str
    version: int
    instance: str | None
    phase: str
    cause: str
    reason: str
    hint: str
    retryable: bool
    exception: dict[str, Any] | None
    frames: list[dict[str, Any]]
    exit: dict[str, Any] | None
    memory: dict[str, Any] | None
    probes: list[dict[str, Any]]
    versions: dict[str, dict[str, str]]
    log: list[str]
    answers: list[str] = []
    """Some that differ from those of the version that served, where a release compared them."""
    at: float


class Wished(Answer):
    """What is asked for, whatever runs now."""

    instances: int
    version: int
    stopped: bool


class Update(Answer):
    """How the newest update went."""

    version: int
    state: Literal["running", "done", "failed"]


class ServiceAnswer(Answer):
    """A service: what is wished, how it is, and its instances; ``reason``: why its group can't be asked now."""

    name: str
    version: int
    status: Literal["Creating", "Running", "Updating", "Degraded", "Stopped", "Failed", "Deleting"]
    reason: str | None
    generation: int
    settled: bool
    endpoint: str
    token: str | None
    public: bool
    backend: str
    resource: str
    trial: bool
    instances: list[InstanceAnswer]
    created_at: str
    updated_at: str
    descriptor: dict[str, Any]
    warnings: list[dict[str, Any]]
    conversion: dict[str, Any] | None
    runs_code: str | None
    wished: Wished
    phases: list[Phase]
    failure: FailureRecord | None
    calls: list[str]
    fallback: FallbackAnswer | None
    mirror: MirrorAnswer | None
    release: ReleaseAnswer | None
    kept: KeptVersion | None
    last_update: Update | None


class LinkAnswer(Answer):
    """An address that opens a service in a browser; ``expires_at`` is null where it needs no code."""

    link: str
    expires_at: str | None


class ServicesAnswer(Answer):
    """All services."""

    services: list[ServiceAnswer]


class InstancesAnswer(Answer):
    """The instances of a service."""

    instances: list[InstanceAnswer]


class DigestsAnswer(Answer):
    """What a version is made of; null where it has no such part, or it is not known yet."""

    model: str | None
    code: str | None
    environment: str | None


class VersionAnswer(Answer):
    """One version: a descriptor that was accepted, and what became of it.

    ``kept``: it serves nothing, and its instances still run. ``files``: the digest of each field that names some.
    """

    version: int
    created_at: str
    state: Literal["serving", "failed", "starting", "kept", "replaced"]
    descriptor: dict[str, Any]
    digests: DigestsAnswer
    files: dict[str, str]
    requirements: list[str]
    conversion: dict[str, Any] | None
    failure: FailureRecord | None


class VersionsAnswer(Answer):
    """The versions of a service, newest first."""

    versions: list[VersionAnswer]


class ChangeAnswer(Answer):
    """A field that would change, or the files that it names (by their digests); secrets are ``***``.

    ``applies``: by what runs already, by replacing instances, never (``reason``), or with all of a new service.
    """

    pointer: str
    old: Any
    new: Any
    applies: Literal["new", "live", "replace", "never"]
    reason: str


class FromTo(Answer):
    """A number before and after; null where there is none, or no other one."""

    old: int | None
    new: int | None


class StrategyAnswer(Answer):
    """How one version makes room for the next."""

    name: str
    does: str


class PeakAnswer(Answer):
    """The most that runs at any time on the way; ``memory_mb``: 0 where no instance has a limit."""

    instances: int
    old: int
    new: int
    cpu: float
    memory_mb: int
    gpu: int


class RoomAnswer(Answer):
    """What a resource group has to spare; null where it schedules by itself."""

    cpu: float | None
    memory_mb: int | None
    gpus: int | None
    gpu_memory_gb: float | None


class PlanAnswer(Answer):
    """What a descriptor would do. ``errors``: the problem that keeps it from being done, room included."""

    service: str
    action: Literal["create", "update", "scale", "nothing", "refuse"]
    resource: str
    backend: str
    version: FromTo
    instances: FromTo
    changes: list[ChangeAnswer]
    content: list[ChangeAnswer]
    strategy: StrategyAnswer | None
    peak: PeakAnswer | None
    free: RoomAnswer
    fits: bool
    errors: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


class FailuresAnswer(Answer):
    """Failure records, newest first."""

    failures: list[FailureRecord]


class ModelAnswer(Answer):
    """One version of a model inside a service: its state in all instances, ``MIXED`` where they differ."""

    name: str
    version: str | None
    state: str
    reason: str
    instances: dict[str, str]


class ModelsAnswer(Answer):
    """The models inside a service."""

    models: list[ModelAnswer]


class Problem(BaseModel):
    """What went wrong (RFC 9457), with our code, a hint, and the descriptor's fields it is about."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    errors: list[dict[str, Any]]


class KeptAnswer(Answer):
    """How a descriptor names what the hub keeps, and until when at least."""

    address: str
    kept_until: str


class UploadAnswer(Answer):
    """How far an upload to a bucket is; ``error`` is a problem document."""

    id: str
    address: str
    state: Literal["running", "done", "failed"]
    detail: str
    done: int
    total: int
    error: dict[str, Any] | None
