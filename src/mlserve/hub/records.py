"""What the hub keeps of a service and of its versions. Words only: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mlserve.hub.releases.records import Kept, Release, kept_from, release_from

Failure = Mapping[str, Any]
"""A failure record, as `mlserve.hub.failures` makes it."""


@dataclass(frozen=True, slots=True)
class LastUpdate:
    """How the newest update went: ``state`` is running, done or failed."""

    version: int
    state: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """A service that gets copies of requests, of so many in a hundred."""

    to: str
    percent: int


@dataclass(frozen=True, slots=True)
class Service:
    """What is wished of a service. Times are seconds since the epoch."""

    name: str
    token: str
    public: bool
    resource: str
    created_at: float
    updated_at: float
    generation: int = 1
    """Counts the wishes; a caller waits until the one it made is settled."""
    count: int = 1
    stopped: bool = False
    deleting: bool = False
    restarts: int = 0
    """Counts restarts asked for; an instance of an earlier count is outdated."""
    latest: int = 1
    """The newest version's number."""
    target: int = 1
    """The version that should serve."""
    serving: int | None = None
    """The version that does: it answered through the gateway."""
    serving_count: int = 1
    """How many instances of the serving version stay while another one is on its way."""
    settled: int = 0
    """The newest generation whose wish was met, or has finally failed."""
    last_update: LastUpdate | None = None
    release: Release | None = None
    """How requests move to the target, or how they last did."""
    kept: Kept | None = None
    """The version that served before, while its instances stay."""
    said_instances: int = 0
    """What a descriptor said of their number last, where it changed nothing else of ``said_version``."""
    said_version: int = 0
    mirror: Mirror | None = None
    """The service that hears some of its requests."""
    trial_until: float | None = None
    """A throw-away service of ``mlserve test``: deleted at this time at the latest."""

    @property
    def in_force(self) -> int:
        """The version whose descriptor holds: the one that serves, or that should while none does yet."""
        return self.serving or self.target


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a version needs on this machine before it can start. Paths are absolute."""

    python: str
    requirements: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    """Descriptor pointer → the file or folder it stands for here."""
    saved_versions: Mapping[str, str] = field(default_factory=dict)
    """Library → the version that the model was saved with."""
    conversion: Mapping[str, Any] | None = None
    """How the model became the ONNX file at ``path``, or the ``reason`` why it did not; None: nothing to convert."""
    runs_code: str = ""
    """Why reading the model's file can run code that it brings; empty: it can't, or that is not known."""
    image: str = ""
    """The image to run it in, as its place knows it: one of ours by its id; empty: an environment of this machine."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """Descriptor pointer → where that file or folder is in an image of ours."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Pointer of a container → the image that was made of the one it names."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Descriptor pointer → digest of its files."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Descriptor pointer → a word that its address had for its files, and has no more once they change."""
    environment: str = ""
    """The digest of what its program runs in: packages on a Python, or an image."""


@dataclass(frozen=True, slots=True)
class Version:
    """An accepted descriptor, which never changes, and how its start went."""

    service: str
    number: int
    created_at: float
    descriptor: Mapping[str, Any]
    """As the user wrote it."""
    content: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Descriptor pointer → content address, for the local paths that were taken in."""
    base: str = ""
    warnings: tuple[Mapping[str, Any], ...] = ()
    prepared: Prepared | None = None
    served: bool = False
    """It has answered a request through the gateway."""
    fixed_port: bool = False
    """Its program listened on the descriptor's own port: no second instance can run on this machine."""
    failure: Failure | None = None


def service_from(data: Mapping[str, Any]) -> Service:
    """A service as it was stored."""
    update = data.get("last_update")
    told: dict[str, Any] = {"last_update": LastUpdate(**update) if update else None}
    release, kept = release_from(data.get("release")), kept_from(data.get("kept"))
    mirror = data.get("mirror")
    told |= {"mirror": Mirror(**mirror) if mirror else None}
    return Service(**{**data, **told, "release": release, "kept": kept})


def version_from(data: Mapping[str, Any]) -> Version:
    """A version as it was stored."""
    prepared = data.get("prepared")
    if prepared:
        known = {one.name for one in fields(Prepared)}
        told = {name: value for name, value in prepared.items() if name in known}
        prepared = Prepared(**{**told, "requirements": tuple(prepared["requirements"])})
    return Version(**{**data, "prepared": prepared, "warnings": tuple(data.get("warnings", ()))})


def to_data(record: Service | Version) -> dict[str, Any]:
    """The JSON form of either."""
    return asdict(record)
