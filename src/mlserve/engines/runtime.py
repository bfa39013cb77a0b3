"""Our own runtime as an engine: a model file and a processor, or the user's Python class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mlserve.descriptor import Descriptor
from mlserve.descriptor.repositories import ENGINES
from mlserve.engines import own_code
from mlserve.engines.arrow import requirements as of_arrow
from mlserve.engines.base import Artifacts, Engine, Launch, resources
from mlserve.engines.catalogue import find, resolve
from mlserve.engines.observation import observed
from mlserve.engines.observation import requirements as of_observation
from mlserve.engines.pipeline import PIPELINE, entries, steps_of
from mlserve.engines.secret_parts import told
from mlserve.errors import Detail
from mlserve.workload import Workload

BASE_REQUIREMENTS = (
    "numpy>=1.24", "uvloop>=0.19", "httptools>=0.6", "orjson>=3.9", "protobuf>=4.22", "wsproto>=1.2",
    "pysimdjson>=6", "pillow>=9", "cryptography>=42",
)  # fmt: skip
"""What the runtime itself imports; kept equal to the extra `runtime` of pyproject.toml by a test."""


class RuntimeEngine:
    """Starts ``python -m mlserve.runtime`` with the model, in an environment that holds its processor's libraries."""

    live_path: ClassVar[str | None] = "/v2/health/live"
    http2: ClassVar[bool] = True
    checks: ClassVar[bool] = True
    open_docs: ClassVar[bool] = True
    web: ClassVar[bool] = False
    proof_paths: ClassVar[tuple[str, ...]] = ("/v2/health/ready", "/describe")
    packed: ClassVar[bool] = True

    def handles(self, descriptor: Descriptor) -> bool:
        if descriptor.containers:
            return False
        if descriptor.pipeline:
            return bool(entries(descriptor))
        return descriptor.processor_type in ("python", "cpp") or find(descriptor.processor or "") is not None

    def check(self, descriptor: Descriptor, *, contained: bool = False) -> Sequence[Detail]:
        return ()

    def requirements(self, descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
        saved, needed = _saved(artifacts), _needed(descriptor, artifacts)
        libraries = [_pinned(requirement, saved) for requirement in needed]
        named = {_name(requirement) for requirement in (*BASE_REQUIREMENTS, *needed)}
        # A pickle may hold objects of more libraries than its processor's own: a pipeline that ends in XGBoost, say.
        more = [f"{name}=={number}" for name, number in saved.items() if name not in named]
        more += [package for package in _more(artifacts) if _name(package) not in saved]
        options = (*of_observation(descriptor), *of_arrow(descriptor))
        return (*BASE_REQUIREMENTS, *libraries, *more, *options, *own_code.requirements(artifacts))

    def image(self, descriptor: Descriptor, options: Mapping[str, str]) -> str:
        return ""

    def workload(self, descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> Workload:
        metadata = descriptor.metadata
        variables = {variable.name: variable.value for variable in descriptor.processor_envs}
        parts = told(variables, _specification(descriptor, artifacts, launch))
        return Workload(
            service=launch.service,
            version=launch.version,
            count=metadata.instance,
            command=(launch.python, "-m", "mlserve.runtime"),
            environment={
                **_shared_libraries(descriptor, artifacts),
                **parts.environment,
                "PYTHONPATH": launch.runtime_path,
                "PYTHONUNBUFFERED": "1",
            },
            secrets=parts.secrets,
            workdir=own_code.folder(artifacts),
            requirements=self.requirements(descriptor, artifacts),
            resources=resources(descriptor),
            health_path="/v2/health/ready",
            drain_seconds=metadata.termination_grace_period,
            startup_seconds=descriptor.startup_timeout,
        )


def create() -> Engine:
    """The engine of this file."""
    return RuntimeEngine()


def processor_name(descriptor: Descriptor) -> str:
    """The catalogue's name of the processor that a descriptor asks for, or the word for an engine of its own."""
    if descriptor.pipeline:
        return PIPELINE
    if descriptor.processor in ENGINES:
        return descriptor.processor
    return resolve(descriptor.processor or descriptor.processor_type or "python").name


def _shared_libraries(descriptor: Descriptor, artifacts: Artifacts) -> dict[str, str]:
    """Where the loader finds what lies beside a C++ processor."""
    folder = own_code.folder(artifacts) if descriptor.processor_type == "cpp" else None
    return {"LD_LIBRARY_PATH": str(Path(folder, descriptor.processor_entry or "library").parent)} if folder else {}


def _needed(descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
    """The packages of the processor, or of all steps' together."""
    gpu = bool(descriptor.metadata.gpu)
    steps = [(entry, step.config) for entry, step in zip(entries(descriptor), descriptor.pipeline, strict=True)]
    if not steps:
        steps = [(resolve(artifacts.processor or processor_name(descriptor)), descriptor.config)]
    return tuple(dict.fromkeys(package for entry, config in steps for package in entry.needs(gpu=gpu, config=config)))


def _specification(descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> dict[str, Any]:
    metadata, rpc = descriptor.metadata, descriptor.metadata.rpc
    return {
        "service": launch.service,
        "version": launch.version,
        "processor": artifacts.processor or processor_name(descriptor),
        "model_path": artifacts.at("/model_path"),
        "model_entry": None if artifacts.processor else descriptor.model_entry,
        "model_config": descriptor.config,
        "pipeline": steps_of(descriptor, artifacts),
        "processor_path": artifacts.at("/processor_path"),
        "processor_entry": descriptor.processor_entry,
        "warm_up_path": artifacts.at("/warm_up_data_path"),
        "cpu": metadata.cpu or 1.0,
        "gpu": metadata.gpu or metadata.gpu_memory or 0,
        "allow_cpu": metadata.allow_cpu,
        "memory_mb": metadata.memory or 0,
        "worker_threads": rpc.worker_threads,
        "max_queue_size": rpc.max_queue_size,
        "max_queue_wait_ms": rpc.max_queue_wait,
        "keepalive_ms": rpc.keepalive,
        "max_body": descriptor.networking.max_body,
        "batching": rpc.batching,
        "max_batch_size": rpc.max_batch_size,
        "max_batch_timeout_ms": rpc.max_batch_timeout,
        "saved_versions": dict(_saved(artifacts)),
        "host": launch.host,
        "drain_seconds": metadata.termination_grace_period,
        "require_safe": descriptor.require_safe,
        "access": launch.access or None,
        "conversion": artifacts.conversion,
        **observed(descriptor, artifacts, launch),
    }


def _saved(artifacts: Artifacts) -> Mapping[str, str]:
    """The versions the model was saved with; a converted model needs none of those libraries."""
    return {} if artifacts.processor else artifacts.saved_versions


def _more(artifacts: Artifacts) -> tuple[str, ...]:
    """What the model's own objects need beside the processor's libraries."""
    return () if artifacts.processor else artifacts.requirements


def _pinned(requirement: str, saved: Mapping[str, str]) -> str:
    """The library in the version that the model was saved with, where its file says which."""
    name = _name(requirement)
    return f"{name}=={saved[name]}" if name in saved else requirement


def _name(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]
