"""The last phase of a version whose instances are containers: its image is there, built of its files or pulled."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mlserve.backends.base import ImageBackend, Say
from mlserve.engines.mounts import mounts
from mlserve.hub.packing import Contents
from mlserve.workload import MountKind

BASE_IMAGE = "base_image"
"""The option of a resource group that says what images of ours stand on there."""


def base_image(options: Mapping[str, Any], of_hub: str) -> str:
    """What an image of ours stands on: what the group says, else the hub, else a Python like the hub's own."""
    return str(options.get(BASE_IMAGE) or of_hub or f"python:{sys.version_info.major}.{sys.version_info.minor}-slim")


async def pulled(backend: ImageBackend, contents: Contents, image: str, say: Say) -> str:
    """The image that an engine brings, and those beside it; raises FetchFailed, ResourceUnavailable."""
    await pull_beside(backend, contents, say)
    return await backend.pull(image, contents.descriptor.docker_auth or "", say)


async def pull_beside(backend: ImageBackend, contents: Contents, say: Say) -> None:
    """Have the images there of further containers, and those that files are mounted from."""
    for other in dict.fromkeys(_beside(contents)):
        await backend.pull(other, contents.descriptor.docker_auth or "", say)


def _beside(contents: Contents) -> Iterator[str]:
    workload = contents.workload()
    yield from (container.image for container in workload.containers)
    for mount in (*workload.mounts, *mounts(contents.descriptor, contents.artifacts.paths)):
        if mount.kind is MountKind.IMAGE:
            yield mount.source.partition("!")[0]
