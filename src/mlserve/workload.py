"""A version of a service, times a count: what an engine says and a backend makes run. Words only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TOLD = "/run/mlserve"
"""The folder in which a container has the files of `Workload.told`."""
ACCESS = "access.json"
"""That of them which says who may ask it."""
CALLS = "calls.json"
"""That which says whom it may ask."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one instance may use: cores (fractions allowed), memory in MB (0 = no limit), GPUs, GB of one GPU."""

    cpu: float = 1.0
    memory_mb: int = 0
    gpu: int = 0
    gpu_memory_gb: float = 0.0
    gpu_core_percentage: int = 0
    """Share of one GPU's cores; 0: all of them."""
    gpu_optional: bool = False
    """It runs on the CPU where the place has no GPU."""


class MountKind(StrEnum):
    """Where the files of a mount come from."""

    FILES = "files"
    """A file or folder on the hub's own machine; the backend carries it to where the instance runs."""
    HOST = "host"
    """A path of the machine that runs the instance, used in place."""
    NFS = "nfs"
    """``server:/path``."""
    IMAGE = "image"
    """``path`` in another image, written ``image!path``."""
    MEMORY = "memory"
    """An empty folder in memory."""
    SCRATCH = "scratch"
    """An empty folder on disk that outlives a crash of the program, not the instance."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Files put into the file system of an instance."""

    path: str
    """Absolute, as the instance sees it."""
    kind: MountKind
    source: str = ""
    read_only: bool = True
    size_mb: int = 0
    """Of an empty folder; 0: no limit of its own."""
    write_back: str = ""
    """An ``s3://`` or ``oss://`` address that files changed by the instance are copied to; empty: nowhere."""
    endpoint: str = ""
    """Of that address, where it is not the usual one."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that shares address and life with the main one of an instance."""

    image: str
    command: tuple[str, ...] = ()
    """Empty: what the image itself starts."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int | None = None
    user: str = ""
    """``uid:gid``; empty: a user without rights."""
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Workload:
    """A version of a service, times a count: everything a backend needs to make it run."""

    service: str
    version: int
    count: int
    command: tuple[str, ...] = ()
    """Program and arguments; ``{port}`` in an argument becomes the instance's own port."""
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    requirements: tuple[str, ...] = ()
    image: str | None = None
    """The image to run it in, by the reference that the place knows it under; ``None``: a process of the machine."""
    containers: tuple[Container, ...] = ()
    """More containers of each instance: they share its network address."""
    mounts: tuple[Mount, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """File name → text: files that only the program may read, in the folder that ``MLSERVE_SECRETS`` names."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Name → file here, which changes while instances run: containers have it under that name in the folder `TOLD`."""
    read_only: bool = True
    """The file system of an image can't be written to, except for ``/tmp`` and mounts."""
    user: str = ""
    """``uid:gid`` inside an image; empty: a user without rights."""
    port: int | None = None
    """A port the program insists on; ``None``: it listens where ``PORT`` in its environment says."""
    ports: tuple[str, ...] = ()
    """Names of further ports: ``{grpc_port}`` in an argument becomes the one named ``grpc``."""
    resources: Resources = Resources()
    health_path: str | None = None
    """Answers 200 to 399 when ready; ``None``: an open port is taken for ready."""
    health_port: int | None = None
    """The port of an image that answers it, where that is not ``port``."""
    drain_seconds: float = 30.0
    startup_seconds: float = 600.0
    revision: str = "0"
    """Changes when running instances are to be replaced one at a time (a restart)."""
    surge: int = 1
    """How many more than ``count`` may run while outdated ones are replaced; 0: stopped before the successor starts."""
    record: str = field(default="", repr=False)
    """What a hub whose store was lost has to know of it, as JSON without secrets; kept where its instances are."""
    has_served: bool = False
    """This version was ready before: a start that fails is then tried again, whatever its reason."""
    withdrawn: frozenset[str] = frozenset()
    """Draining instances that the gateway sends nothing to any more: these may be stopped."""
