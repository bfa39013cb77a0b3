"""What the machine of an engine has: cores, memory, and its GPUs as `nvidia-smi` in a short container tells them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlserve.backends.base import Gpu
from mlserve.backends.capacity import Machine
from mlserve.backends.docker import container_calls, labels
from mlserve.backends.docker.devices import device_requests
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.refusals import GPU_MISSING
from mlserve.backends.gpus import QUERY, parsed
from mlserve.errors import MlserveError, ResourceUnavailable
from mlserve.workload import Resources

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
"""How long an answer of nvidia-smi stands: models that load take memory within seconds."""
TRIED_SECONDS = 60.0
"""How long an engine that had no NVIDIA support is not tried again."""
LOOK_SECONDS = 30.0
ANSWER_SECONDS = 10.0
"""How long an engine may take to say what it has: people wait for it."""
LOOK = {"mlserve.look": "gpus"}


@dataclass(frozen=True, slots=True)
class Gpus:
    """Whether containers get GPUs there (None: nobody has tried), and which there are, where they tell."""

    able: bool | None = None
    devices: tuple[Gpu, ...] = ()
    at: float = -1e9

    @property
    def told(self) -> bool:
        """Whether it is known what there is; else whoever asks for one finds out."""
        return self.able is False or bool(self.devices)


class EngineMachine:
    """Looks at the machine of one engine; what it says of itself is kept until it says something else."""

    def __init__(self, engine: Engine, hub: str, images: Mapping[str, str]) -> None:
        """``images``: the group's options; its base image is what a look at GPUs is taken from."""
        self._engine, self._hub, self._options = engine, hub, images
        self._looking = asyncio.Lock()
        self.about: Mapping[str, Any] = {}
        self.gpus = Gpus()

    async def look(self) -> Machine:
        """Cores, memory and GPUs, now; raises ResourceUnavailable."""
        asking = self._engine.call(lambda client: (client.info(), client.version()), seconds=ANSWER_SECONDS)
        told, version = await asking
        self.about = {
            "version": version.get("Version"), "api": version.get("ApiVersion"), "os": told.get("OperatingSystem"),
            "arch": told.get("Architecture"), "warning": self._engine.warning,
            # Machines made from one image have engines of one ID.
            "id": "/".join(str(told.get(name)) for name in ("ID", "Name", "DockerRootDir")),
        }  # fmt: skip
        if says_nvidia(told):
            await self._look_at_gpus("")
        size = int(told["MemTotal"]) // 2**20
        return Machine(float(told["NCPU"]), size, size, self.gpus.devices)

    async def try_gpus(self, image: str) -> bool:
        """Whether a container of this image would get a GPU; the engine is tried, since it does not always tell."""
        if not self.gpus.able and time.monotonic() - self.gpus.at > TRIED_SECONDS:
            await self._look_at_gpus(image)
        return self.gpus.able is not False

    async def _look_at_gpus(self, image: str) -> None:
        async with self._looking:
            if time.monotonic() - self.gpus.at < FRESH_SECONDS:
                return
            found = image or await self._some_image()
            if found:
                self.gpus = replace(await self._asked(found), at=time.monotonic())

    async def _asked(self, image: str) -> Gpus:
        container = ""
        # One that is left is of a hub that died.
        for left in await container_calls.find(self._engine, {**labels.of_hub(self._hub), **LOOK}):
            await container_calls.remove(self._engine, left["Id"])
        try:
            container = await container_calls.create(self._engine, "", _look(image, self._hub))
            await container_calls.start(self._engine, container)
            text = await self._engine.call(lambda client: _output(client, container), seconds=LOOK_SECONDS)
        except ResourceUnavailable:
            raise
        except MlserveError as exc:
            missing = any(detail.get("code") == GPU_MISSING for detail in exc.details)
            log.info("event=gpus-not-told able=%s reason=%r", not missing, exc.message)
            return Gpus(able=not missing)
        finally:
            if container:
                await container_calls.remove(self._engine, container)
        return Gpus(able=True, devices=parsed(text))

    async def _some_image(self) -> str:
        """One that is there: nvidia-smi is put into any by NVIDIA's toolkit, as long as it has the C library."""
        images = await self._engine.call(lambda client: client.api.images())
        tags = [tag for image in images for tag in image.get("RepoTags") or () if tag != "<none>:<none>"]
        base = self._options.get("base_image", "")
        return base if base in tags else next((tag for tag in tags if tag.startswith("python:")), next(iter(tags), ""))


def says_nvidia(info: Mapping[str, Any]) -> bool:
    """Whether an engine tells by itself that it has NVIDIA's runtime or devices."""
    devices = info.get("DiscoveredDevices") or ()
    return "nvidia" in (info.get("Runtimes") or {}) or any("nvidia.com/gpu" in str(one.get("ID")) for one in devices)


def _look(image: str, hub: str) -> dict[str, Any]:
    return {
        "Image": image,
        "Entrypoint": list(QUERY[:1]),
        "Cmd": list(QUERY[1:]),
        "Labels": {**labels.of_hub(hub), **LOOK},
        "Env": ["NVIDIA_DRIVER_CAPABILITIES=utility"],
        "HostConfig": {
            "NetworkMode": "none", "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"],
            "DeviceRequests": [{**device_requests(Resources(gpu=1))[0], "Count": -1}],
        },
    }  # fmt: skip


def _output(client: Any, container: str) -> str:
    client.api.wait(container, timeout=LOOK_SECONDS)
    return str(client.api.logs(container, stdout=True, stderr=False).decode(errors="replace"))
