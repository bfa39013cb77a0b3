"""Make the containers of an instance, and say why that can't be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.backends.docker import container_calls, labels, ports
from mlserve.backends.docker.containers import Placing, further_container, main_container, name_of
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.refusals import LASTING
from mlserve.backends.docker.volume_files import NOTHING_THERE
from mlserve.backends.docker.volumes import Volumes
from mlserve.backends.records import Record
from mlserve.errors import MlserveError
from mlserve.workload import Workload


@dataclass(frozen=True, slots=True)
class Site:
    """Where the instances of one hub run."""

    engine: Engine
    hub: str
    volumes: Volumes


async def make(site: Site, record: Record, workload: Workload, made: list[str]) -> None:
    """Create and start all containers of an instance; what is there is in ``made``, also when it raises."""
    for image in dict.fromkeys([workload.image or "", *(one.image for one in workload.containers)]):
        await container_calls.require_image(site.engine, image)
    for left in await container_calls.find(site.engine, {**labels.of_hub(site.hub), labels.INSTANCE: record.id}):
        await container_calls.remove(site.engine, left["Id"])
    brought = await site.volumes.bring(workload, record.id)
    placing = Placing(
        site.hub, record.id, site.engine.address, ports.plan(workload), brought.mounts, brought.environment,
        record.gpus,
    )  # fmt: skip
    main = await _started(site, placing, 0, main_container(workload, placing), made)
    for part, container in enumerate(workload.containers, 1):
        await _started(site, placing, part, further_container(workload, placing, part, container, main), made)


async def _started(site: Site, placing: Placing, part: int, body: Mapping[str, Any], made: list[str]) -> str:
    container = await container_calls.create(site.engine, name_of(site.hub, placing.instance, part), body)
    made.append(container)
    await container_calls.start(site.engine, container)
    return container


def refusal(error: MlserveError, image: str) -> dict[str, Any]:
    """The evidence of a start that the engine refused."""
    code = next((str(detail["code"]) for detail in error.details if "code" in detail), "")
    problem = {"error": error.message, "hint": error.hint, "code": code, "path": image}
    return {"not_started": {**problem, "lasting": code in (*LASTING, NOTHING_THERE)}}
