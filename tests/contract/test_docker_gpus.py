"""What an engine is asked for when a service wants GPUs. A stand-in for NVIDIA's hook proves the asking, not a GPU."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from tests.contract.containers import bake, in_container, open_docker, program_image
from tests.docker_engine import Engine, base_image, engine

from mlserve.backends.base import Backend, Instance, State
from mlserve.backends.gpus import pick
from mlserve.errors import NoCapacity
from mlserve.workload import Resources, Workload

__all__ = ["program_image"]

pytestmark = pytest.mark.slow

TELLS = """#!/bin/sh
echo "0, 81559, 80000, NVIDIA H100, GPU-aaaa"
echo "1, 81559, 20000, NVIDIA H100, GPU-bbbb"
"""


@pytest.fixture(scope="module")
def gpu_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that believes to have NVIDIA's support: its program is on the PATH."""
    folder = tmp_path_factory.mktemp("nvidia")
    hook = folder / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    with engine(environment={"PATH": f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"}) as made:
        base_image(made)
        yield made


def wish(resources: Resources, image: str) -> Workload:
    workload = Workload("iris", 1, 1, resources=resources, environment={"BEHAVIOUR": "serve"}, health_path="/health")
    return in_container(workload, image)


@asynccontextmanager
async def backend(home: Path, docker_engine: Engine) -> Any:
    opened = open_docker(home, docker_engine)
    try:
        yield opened
    finally:
        await opened.remove("iris")
        async with asyncio.timeout(60):
            while await opened.instances("iris"):  # noqa: ASYNC110 - no event says "gone"
                await asyncio.sleep(0.1)
        await opened.close()


async def ready(opened: Backend) -> Instance:
    async with asyncio.timeout(60):
        while True:
            found = await opened.instances("iris")
            if found and found[0].state in (State.READY, State.FAILED):
                return found[0]
            await asyncio.sleep(0.1)


def test_a_container_is_given_gpus_and_told_its_share_of_one(gpu_engine: Engine, tmp_path: Path) -> None:
    image = bake(gpu_engine)

    async def scenario() -> None:
        async with backend(tmp_path, gpu_engine) as opened:
            await opened.apply(wish(Resources(gpu_memory_gb=4, gpu_core_percentage=25), image))
            instance = await ready(opened)
            assert instance.state is State.READY, instance.reason
            with closing(gpu_engine.client()) as client:
                told = client.api.inspect_container(instance.container)
            assert told["HostConfig"]["DeviceRequests"][0]["Count"] == 1
            assert told["HostConfig"]["DeviceRequests"][0]["Capabilities"] == [["gpu"]]
            assert "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25" in told["Config"]["Env"]
            assert (await opened.capacity()).gpus is None  # it has no nvidia-smi that could tell

    asyncio.run(scenario())


def test_gpus_that_tell_of_themselves_are_given_one_by_one(gpu_engine: Engine, tmp_path: Path) -> None:
    """The look takes the image of the workload, whose nvidia-smi here is ours."""
    image = with_smi(gpu_engine, bake(gpu_engine))

    async def scenario() -> None:
        async with backend(tmp_path, gpu_engine) as opened:
            await opened.apply(wish(Resources(gpu=1), image))
            instance = await ready(opened)
            assert instance.state is State.READY, instance.reason
            with closing(gpu_engine.client()) as client:
                told = client.api.inspect_container(instance.container)
                left = client.api.containers(all=True, filters={"label": ["mlserve.look"]})
            assert told["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["GPU-aaaa"]
            assert left == []
            room = await opened.capacity()
            assert (room.gpus, room.gpus_free) == (2, 1)
            assert [gpu.name for gpu in room.devices] == ["NVIDIA H100"] * 2
            with pytest.raises(NoCapacity, match="NVIDIA H100"):
                pick(Resources(gpu=3), room.devices, {})
            with pytest.raises(NoCapacity, match="2 GPUs are needed, 1 is free of NVIDIA H100"):
                await opened.apply(Workload(**{**vars_of(wish(Resources(gpu=2), image)), "version": 2}))

    asyncio.run(scenario())


def test_an_engine_without_gpus_says_so_before_anything_is_started(
    docker_engine: Engine, program_image: str, tmp_path: Path
) -> None:

    async def scenario() -> None:
        async with backend(tmp_path, docker_engine) as opened:
            with pytest.raises(NoCapacity, match="this place has none"):
                await opened.apply(wish(Resources(gpu=1), program_image))
            assert not await opened.instances("iris")
            assert (await opened.capacity()).gpus == 0

    asyncio.run(scenario())


def test_a_service_that_may_compute_on_the_cpu_starts_without_a_gpu(
    docker_engine: Engine, program_image: str, tmp_path: Path
) -> None:

    async def scenario() -> None:
        async with backend(tmp_path, docker_engine) as opened:
            await opened.apply(wish(Resources(gpu=1, gpu_optional=True), program_image))
            instance = await ready(opened)
            assert instance.state is State.READY, instance.reason
            with closing(docker_engine.client()) as client:
                assert not client.api.inspect_container(instance.container)["HostConfig"]["DeviceRequests"]

    asyncio.run(scenario())


def vars_of(workload: Workload) -> dict[str, Any]:
    return {name: getattr(workload, name) for name in Workload.__dataclass_fields__}


def with_smi(docker_engine: Engine, image: str) -> str:
    """The same image with a program that answers as nvidia-smi does."""
    with closing(docker_engine.client()) as client:
        script = (
            "import sys,os;open('/usr/bin/nvidia-smi','w').write(sys.argv[1]);os.chmod('/usr/bin/nvidia-smi',0o755)"
        )
        container = client.containers.run(image, ["python", "-c", script, TELLS], detach=True)
        assert container.wait(timeout=60)["StatusCode"] == 0, container.logs()
        container.commit("mlserve-test-gpu", "latest")
        container.remove()
    return "mlserve-test-gpu:latest"
