"""NVIDIA's Triton server as an engine: ``"processor": "triton"``, with its own options in ``processor_params``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from mlserve.descriptor import Descriptor
from mlserve.descriptor.secrets import is_secret_variable
from mlserve.engines import own_code
from mlserve.engines.base import Artifacts, Engine, Launch, resources
from mlserve.engines.triton.wishes import Wished, wished
from mlserve.errors import Detail
from mlserve.workload import Mount, MountKind, Workload

NAME = "triton"
_STARTER = Path(__file__).parents[2] / "triton"
REQUIREMENTS = ("nvidia-pytriton>=0.7,<0.8", "numpy<2", "onnxruntime>=1.17")
"""The wheel that carries the server, and what models in Python mostly use. (It does not go with NumPy 2.)"""
DEFAULT_IMAGE = "nvcr.io/nvidia/tritonserver:25.09-py3"


class TritonEngine:
    """Starts the server of the wheel, or that of an image, with the repositories that the descriptor names."""

    live_path: ClassVar[str | None] = "/v2/health/live"
    http2: ClassVar[bool] = False
    checks: ClassVar[bool] = False
    open_docs: ClassVar[bool] = False
    web: ClassVar[bool] = False
    proof_paths: ClassVar[tuple[str, ...]] = ("/v2/health/ready",)
    packed: ClassVar[bool] = False

    def handles(self, descriptor: Descriptor) -> bool:
        return descriptor.processor == NAME and not descriptor.containers

    def check(self, descriptor: Descriptor, *, contained: bool = False) -> Sequence[Detail]:
        return wished(descriptor, lenient=contained).warnings

    def requirements(self, descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*REQUIREMENTS, *model_requirements(descriptor, artifacts))))

    def image(self, descriptor: Descriptor, options: Mapping[str, str]) -> str:
        return options.get("triton_image") or DEFAULT_IMAGE

    def workload(self, descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> Workload:
        metadata, asked = descriptor.metadata, wished(descriptor, lenient=True)
        given = {variable.name: variable.value for variable in descriptor.processor_envs}
        hidden = {name: value for name, value in given.items() if is_secret_variable(name, value)}
        shown = {name: value for name, value in given.items() if name not in hidden}
        path = f"{Path(launch.python).parent}:/usr/local/bin:/usr/bin:/bin"
        repositories = _repositories(descriptor, artifacts)
        mounts = _mounts(repositories, launch) if launch.in_container else ()
        folders = [mount.path for mount in mounts[1:]] or [str(folder) for folder in repositories]
        # An image has its own PATH, and the one Python in it that has this name everywhere.
        around = {} if launch.in_container else {"PATH": path}
        python = "python3" if launch.in_container else launch.python
        return Workload(
            service=launch.service,
            version=launch.version,
            count=metadata.instance,
            command=(python, "-m", "mlserve.triton", *arguments(asked, folders, descriptor, launch)),
            environment={**around, **shown, "PYTHONPATH": launch.runtime_path, "PYTHONUNBUFFERED": "1"},
            requirements=self.requirements(descriptor, artifacts),
            mounts=mounts,
            secrets={"environment.json": json.dumps(hidden)} if hidden else {},
            ports=tuple(name for name, on in (("grpc", asked.grpc), ("metrics", asked.metrics)) if on),
            resources=resources(descriptor),
            health_path="/v2/health/ready",
            drain_seconds=metadata.termination_grace_period,
            startup_seconds=descriptor.startup_timeout,
        )


def create() -> Engine:
    """The engine of this folder."""
    return TritonEngine()


def model_requirements(descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
    """What the models in Python ask for, each in its own ``requirements.txt``."""
    folders = _repositories(descriptor, artifacts)
    return tuple(dict.fromkeys(line for folder in folders for line in _lines(folder)))


def arguments(asked: Wished, repositories: Sequence[str], descriptor: Descriptor, launch: Launch) -> tuple[str, ...]:
    """The server's command line: what the descriptor says, and around it what is ours."""
    ours = [f"--http-address={launch.host}", "--http-port={port}"]
    if asked.grpc:
        ours += [f"--grpc-address={launch.host}", "--grpc-port={grpc_port}"]
    if asked.metrics:
        ours += [f"--metrics-address={launch.host}", "--metrics-port={metrics_port}"]
    grace = max(int(descriptor.metadata.termination_grace_period) - 2, 1)
    unless = {"exit-timeout-secs": str(grace), "exit-on-error": "false", "strict-readiness": "false"}
    ours += [f"--{name}={value}" for name, value in unless.items() if name not in asked.named]
    ours += [f"--model-repository={folder}" for folder in (*repositories, *asked.read_by_server)]
    return (*ours, *asked.kept)


def _mounts(repositories: Sequence[Path], launch: Launch) -> tuple[Mount, ...]:
    """What starts the server, and the repositories: an image of NVIDIA's has neither."""
    starter = Mount(f"{launch.runtime_path}/mlserve/triton", MountKind.FILES, str(_STARTER))
    models = [
        Mount(f"/mlserve/models/{number}", MountKind.FILES, str(folder)) for number, folder in enumerate(repositories)
    ]
    return (starter, *models)


def _repositories(descriptor: Descriptor, artifacts: Artifacts) -> list[Path]:
    pointers = wished(descriptor, lenient=True).repositories
    return [Path(artifacts.paths[pointer]) for pointer in pointers if pointer in artifacts.paths]


def _lines(repository: Path) -> list[str]:
    """What the Python models of a repository ask for."""
    files = (*repository.glob("*/requirements.txt"), *repository.glob("*/[0-9]*/requirements.txt"))
    return [line for file in sorted(files) for line in own_code.lines(file)]
