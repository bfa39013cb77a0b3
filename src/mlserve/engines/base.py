"""What an engine has to say: how a server program is started for a version of a service. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from mlserve.descriptor import Descriptor
from mlserve.errors import Detail
from mlserve.workload import Resources, Workload


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The files of a version, found and read. Paths are absolute."""

    paths: Mapping[str, str] = field(default_factory=dict)
    """Descriptor pointer (``/model_path``, ``/processor_path``, ``/warm_up_data_path``) → path on this machine."""
    saved_versions: Mapping[str, str] = field(default_factory=dict)
    """Library → the version the model was saved with."""
    format: str | None = None
    """The model's own format, where its files tell: the name of a processor."""
    processor: str | None = None
    """What serves instead of the processor asked for: the model was converted."""
    conversion: Mapping[str, Any] | None = None
    """How it was converted, or why not."""
    requirements: tuple[str, ...] = ()
    """Packages that the model's own objects need beside its processor's and those of ``saved_versions``."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """The pointers of ``paths`` → path in the image that an instance runs in; empty: it runs on this machine."""

    images: Mapping[str, str] = field(default_factory=dict)
    """Pointer of a container (``/containers/1``) → the image that was made of the one it names."""

    def at(self, pointer: str) -> str | None:
        """Where an instance finds the files of a field; None without any. Read here, they are in ``paths``."""
        return self.inside.get(pointer) or self.paths.get(pointer)


@dataclass(frozen=True, slots=True)
class Launch:
    """How one version is to be started here."""

    service: str
    version: int
    python: str
    runtime_path: str
    """A directory that holds nothing but the mlserve package."""
    captures: str = ""
    """Where samples of requests go when the descriptor names no place."""
    access: str = ""
    """The file that says who may ask an instance directly; empty: the place has no such file."""
    host: str = "127.0.0.1"
    """The address to listen on; ``0.0.0.0`` inside a container, whose port is published by its place."""

    @property
    def in_container(self) -> bool:
        """Whether it is to run in a container: its files have to come there with it."""
        return self.host != "127.0.0.1"


class Engine(Protocol):
    """A server program an instance can run. Pure: looks at the descriptor and at what was found, starts nothing.

    A file of this folder with ``create() -> Engine`` is one, and so is an entry point of the group ``mlserve.engines``.
    """

    live_path: ClassVar[str | None]
    """Answers 200 for as long as an instance lives: what the gateway asks; None: nothing does."""
    http2: ClassVar[bool]
    """Its instances speak HTTP/2, and so gRPC, on the port of HTTP/1.1."""
    checks: ClassVar[bool]
    """Its instances ask for tokens themselves, where `Launch.access` names a file that says which count."""
    open_docs: ClassVar[bool]
    """Its GET /docs is a page that holds nothing of the service, so that anybody may read it."""
    proof_paths: ClassVar[tuple[str, ...]]
    """What has to answer GET through the gateway before a version is ready; empty: ``/`` must, whatever it says."""
    web: ClassVar[bool]
    """It may answer with pages that believe to be at ``/``: their redirects and cookies are put below the service."""
    packed: ClassVar[bool]
    """A place of containers runs it in an image of ours, built from a base, its requirements and its files."""

    def handles(self, descriptor: Descriptor) -> bool:
        """Whether the descriptor asks for this engine."""

    def check(self, descriptor: Descriptor, *, contained: bool = False) -> Sequence[Detail]:
        """What deserves a warning; raises InvalidDescriptor for what it can't start, before any file is fetched.

        ``contained``: it is to run in an image.
        """

    def requirements(self, descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
        """The Python packages an instance's environment needs; empty: any interpreter will do."""

    def image(self, descriptor: Descriptor, options: Mapping[str, str]) -> str:
        """The image it brings to a place of containers with these options; empty for one that is packed."""

    def workload(self, descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> Workload:
        """How to start it; ``count`` is the descriptor's ``metadata.instance``."""


def resources(descriptor: Descriptor) -> Resources:
    """What one instance of a service may use."""
    metadata = descriptor.metadata
    return Resources(
        cpu=metadata.cpu or 1.0,
        memory_mb=metadata.memory or 0,
        gpu=metadata.gpu or 0,
        # Whole GPUs come with all of their memory and cores.
        gpu_memory_gb=0.0 if metadata.gpu else metadata.gpu_memory or 0.0,
        gpu_core_percentage=0 if metadata.gpu else metadata.gpu_core_percentage or 0,
        gpu_optional=metadata.allow_cpu,
    )
