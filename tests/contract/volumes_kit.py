"""What tests of volumes share: an engine that they leave as it was, a hub's volumes, and a look from inside."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.docker_engine import BASE, Engine

from mlserve.backends.docker import engine as engines
from mlserve.backends.docker import labels, target
from mlserve.backends.docker.volumes import Brought, Volumes
from mlserve.workload import Mount, Workload

HUB = "0123456789abcdef"


@pytest.fixture
def client(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    """A client of the shared engine; what a test leaves in it that has our label is removed."""
    with closing(docker_engine.client()) as found:
        yield found
        for container in found.containers.list(all=True, ignore_removed=True, filters={"label": labels.HUB}):
            container.remove(force=True, v=True)
        for volume in found.volumes.list(filters={"label": labels.HUB}):
            volume.remove()


def play(docker_engine: Engine, tmp_path: Path, scene: Callable[..., Awaitable[None]], hubs: int = 1) -> None:
    """Run a scene with the volumes of a hub, or of one hub that was started several times."""

    async def scenario() -> None:
        engine = engines.Engine(target.target(docker_engine.host), tmp_path / "engine")
        try:
            await scene(*(Volumes(engine, HUB) for _ in range(hubs)))
        finally:
            await engine.close()

    asyncio.run(scenario())


def workload(*mounts: Mount, **more: Any) -> Workload:
    return Workload("iris", 1, 1, image=BASE, mounts=mounts, **more)


def body(brought: Brought, command: Sequence[str], instance: str = "iris-1-aaaa", user: str = "65534:65534") -> Any:
    """A container as hardened as an instance's is."""
    return {
        "Image": BASE, "Entrypoint": list(command), "User": user,
        "Env": [f"{name}={value}" for name, value in brought.environment.items()],
        "Labels": labels.of_instance(HUB, "iris", 1, instance),
        "HostConfig": {
            "ReadonlyRootfs": True, "CapDrop": ["ALL"], "NetworkMode": "none", "Mounts": list(brought.mounts),
        },
    }  # fmt: skip


def said(client: docker.DockerClient, brought: Brought, script: str, **more: Any) -> str:
    """What a shell in an instance with these mounts prints."""
    made = client.api.create_container_from_config(body(brought, ["sh", "-c", script], **more))["Id"]
    client.api.start(made)
    client.api.wait(made)
    text = client.api.logs(made).decode()
    client.api.remove_container(made)
    return text


def ours(client: docker.DockerClient) -> list[str]:
    return sorted(volume.name for volume in client.volumes.list(filters={"label": f"{labels.HUB}={HUB}"}))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with files in folders, a script and a link."""
    folder = tmp_path / "model"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "weights.bin").write_bytes(os.urandom(3_000_000))
    (folder / "größe.txt").write_text("seven\n")
    (folder / "run.sh").write_text("echo ran\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link.txt").symlink_to("größe.txt")
    (folder / "loop").symlink_to(folder)
    return folder
