"""What an engine has to say: how a server program is started for a version of a service. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mlserve.descriptor import Descriptor
from mlserve.workload import Workload


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The files of a version, found and read. Paths are absolute, on the machine that will run it."""

    paths: Mapping[str, str] = field(default_factory=dict)
    """Descriptor pointer (``/model_path``, ``/processor_path``, ``/warm_up_data_path``) → path."""
    saved_versions: Mapping[str, str] = field(default_factory=dict)
    """Library → the version the model was saved with."""
    format: str | None = None
    """The model's own format, where its files tell: the name of a processor."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How one version is to be started here."""

    service: str
    version: int
    python: str
    runtime_path: str
    """A directory that holds nothing but the mlserve package."""


class Engine(Protocol):
    """A server program an instance can run. Pure: looks at the descriptor and at what was found, does nothing."""

    def handles(self, descriptor: Descriptor) -> bool:
        """Whether the descriptor asks for this engine."""

    def requirements(self, descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
        """The Python packages an instance's environment needs; empty: any interpreter will do."""

    def workload(self, descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> Workload:
        """How to start it; ``count`` is the descriptor's ``metadata.instance``."""
