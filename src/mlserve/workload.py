"""A version of a service, times a count: what an engine says and a backend makes run. Words only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Resources:
    """What one instance may use: cores (fractions allowed), memory in MB (0 = no limit), GPUs, GB of one GPU."""

    cpu: float = 1.0
    memory_mb: int = 0
    gpu: int = 0
    gpu_memory_gb: float = 0.0


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
    port: int | None = None
    """A port the program insists on; ``None``: it listens where ``PORT`` in its environment says."""
    resources: Resources = Resources()
    health_path: str | None = None
    """Answers 200 when ready; ``None``: an open port is taken for ready."""
    drain_seconds: float = 30.0
    startup_seconds: float = 600.0
    revision: str = "0"
    """Changes when running instances are to be replaced one at a time (a restart)."""
    surge: int = 1
    """How many more than ``count`` may run while outdated ones are replaced; 0: stopped before the successor starts."""
    has_served: bool = False
    """This version was ready before: a start that fails is then tried again, whatever its reason."""
    withdrawn: frozenset[str] = frozenset()
    """Draining instances that the gateway sends nothing to any more: these may be stopped."""
