"""Make the containers of an instance, and say why that can't be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.backends.docker import handling, labels, ports
from mlserve.backends.docker.containers import Placing, further_container, main_container, name_of
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.volumes import Volumes
from mlserve.backends.records import Record
from mlserve.errors import MlserveError
from mlserve.workload import Workload

LASTING = (
    "image-missing", "gpu-missing", "bind-refused", "address-missing", "credentials", "too-much", "bad-request",
    "nothing-to-mount",
)  # fmt: skip
"""Refusals that the same start meets again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the instances of one hub run."""

    engine: Engine
    hub: str
    volumes: Volumes


async def make(place: Place, record: Record, workload: Workload, made: list[str]) -> None:
    """Create and start all containers of an instance; what is there is in ``made``, also when it raises."""
    for image in dict.fromkeys([workload.image or "", *(one.image for one in workload.containers)]):
        await handling.require_image(place.engine, image)
    for left in await handling.find(place.engine, {**labels.of_hub(place.hub), labels.INSTANCE: record.id}):
        await handling.remove(place.engine, left["Id"])
    brought = await place.volumes.bring(workload, record.id)
    placing = Placing(
        place.hub, record.id, place.engine.address, ports.plan(workload), brought.mounts, brought.environment,
        record.gpus,
    )  # fmt: skip
    main = await _started(place, placing, 0, main_container(workload, placing), made)
    for part, container in enumerate(workload.containers, 1):
        await _started(place, placing, part, further_container(workload, placing, part, container, main), made)


async def _started(place: Place, placing: Placing, part: int, body: Mapping[str, Any], made: list[str]) -> str:
    container = await handling.create(place.engine, name_of(place.hub, placing.instance, part), body)
    made.append(container)
    await handling.start(place.engine, container)
    return container


def refusal(error: MlserveError, image: str) -> dict[str, Any]:
    """The evidence of a start that the engine refused."""
    code = next((str(detail["code"]) for detail in error.details if "code" in detail), "")
    problem = {"error": error.message, "hint": error.hint, "code": code, "path": image}
    return {"not_started": {**problem, "lasting": code in LASTING}}
