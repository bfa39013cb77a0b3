"""The user's own images as an engine: ``containers``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mlserve.descriptor import Descriptor
from mlserve.descriptor.containers import main_of
from mlserve.descriptor.image import ROOT_USER
from mlserve.descriptor.image import Container as Wished
from mlserve.descriptor.pointers import detail
from mlserve.engines.base import Artifacts, Engine, Launch, resources
from mlserve.errors import Detail
from mlserve.workload import Container, Mount, MountKind, Workload

MODEL_FOLDER = "/eas/workspace/model"
CODE_FOLDER = "/ml/usercode"
"""Where images that were made for EAS look for the files of model_path and processor_path."""
_SLOT = "port}"
"""What ends a word of a command that becomes a port: ``${port}`` in a script is its own affair."""
_SCRIPT = "MLSERVE_SCRIPT"


class ImageEngine:
    """Starts the image of the container that answers requests, and the others beside it at the same address."""

    live_path: ClassVar[str | None] = None
    http2: ClassVar[bool] = False
    checks: ClassVar[bool] = False
    open_docs: ClassVar[bool] = False
    web: ClassVar[bool] = True
    proof_paths: ClassVar[tuple[str, ...]] = ()
    packed: ClassVar[bool] = False

    def handles(self, descriptor: Descriptor) -> bool:
        return bool(descriptor.containers)

    def check(self, descriptor: Descriptor, *, contained: bool = False) -> Sequence[Detail]:
        mounted = {entry.mount_path: f"storage.{index}" for index, entry in enumerate(descriptor.storage)}
        return [
            detail(f"/{name}", "covered", f"{name} is not seen: {mounted[folder]} is mounted over it at {folder}")
            for name, folder in (("model_path", MODEL_FOLDER), ("processor_path", CODE_FOLDER))
            if getattr(descriptor, name) and folder in mounted
        ]

    def requirements(self, descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
        return ()

    def image(self, descriptor: Descriptor, options: Mapping[str, str]) -> str:
        return descriptor.containers[main_of(descriptor)].image

    def workload(self, descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> Workload:
        number = main_of(descriptor)
        main = descriptor.containers[number]
        check = main.health_check
        probe = (check.http_get or check.tcp_socket) if check else None
        files = _files(artifacts)
        told = {variable.name: variable.value for variable in descriptor.processor_envs}
        if "/model_path" in artifacts.paths:
            told |= {"MODEL_PATH": MODEL_FOLDER}
        return Workload(
            service=launch.service,
            version=launch.version,
            count=descriptor.metadata.instance,
            image=main.image,
            command=_command(main),
            environment=told | _environment(main),
            containers=_beside(descriptor, artifacts, number),
            mounts=files,
            user=_user(main),
            read_only=main.read_only,
            port=main.port,
            health_path=check.http_get.path if check and check.http_get else None,
            health_port=probe.port if probe and probe.port != main.port else None,
            resources=resources(descriptor),
            drain_seconds=descriptor.metadata.termination_grace_period,
            startup_seconds=descriptor.startup_timeout,
        )


def create() -> Engine:
    """The engine of this file."""
    return ImageEngine()


def _beside(descriptor: Descriptor, artifacts: Artifacts, main: int) -> tuple[Container, ...]:
    """The containers that run along with the one that is asked."""
    return tuple(
        Container(
            image=artifacts.images.get(f"/containers/{index}", one.image),
            command=_command(one),
            environment=_environment(one),
            port=one.port,
            user=_user(one),
            read_only=one.read_only,
        )
        for index, one in enumerate(descriptor.containers)
        if index != main
    )


def _command(container: Wished) -> tuple[str, ...]:
    """In place of what the image starts; empty: that. A script finds its port in its environment, by its own shell."""
    if container.script:
        return ("sh", "-c", container.script if _SLOT not in container.script else f'eval "${_SCRIPT}"')
    words = shlex.split(container.command or "")
    for name in ("LISTENING_PORT", "PORT"):
        words = [word.replace(f"${{{name}}}", "{port}").replace(f"${name}", "{port}") for word in words]
    return tuple(words)


def _environment(container: Wished) -> dict[str, str]:
    script = {_SCRIPT: container.script or ""} if _SLOT in (container.script or "") else {}
    return {variable.name: variable.value for variable in container.env} | script


def _user(container: Wished) -> str:
    """``uid:gid``; a user alone is a group of the same number, so that nobody gets root's by leaving it out."""
    if not container.user:
        return ""
    user, _, group = ("0:0" if container.user == ROOT_USER else container.user).partition(":")
    return f"{user}:{group or user}"


def _files(artifacts: Artifacts) -> tuple[Mount, ...]:
    """What model_path and processor_path name is there to be read; a single file keeps its name."""
    found = []
    for pointer, folder in (("/model_path", MODEL_FOLDER), ("/processor_path", CODE_FOLDER)):
        if source := artifacts.paths.get(pointer):
            found.append(Mount(folder, MountKind.FILES, source))
    return tuple(found)
