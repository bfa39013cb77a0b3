"""Whose a container is, and what it is a part of, as labels that outlive hub and store. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from mlserve.workload import Container, Mount, MountKind, Resources, Workload

HUB = "mlserve.hub"
SERVICE = "mlserve.service"
VERSION = "mlserve.version"
INSTANCE = "mlserve.instance"
REVISION = "mlserve.revision"
WORKLOAD = "mlserve.workload"
PORTS = "mlserve.ports"
PART = "mlserve.part"
"""Which container of its instance it is; the first, ``0``, has the network address of all."""

_FLEETING = ("count", "secrets", "environment", "has_served", "withdrawn")
"""What of a workload is another one tomorrow, or nobody's business: labels are shown by far more programs than look
into a container."""


def of_hub(hub: str) -> dict[str, str]:
    """The label by which a hub finds all of its own."""
    return {HUB: hub}


def of_instance(hub: str, service: str, version: int, instance: str) -> dict[str, str]:
    """The labels of everything that comes and goes with an instance."""
    return {HUB: hub, SERVICE: service, VERSION: str(version), INSTANCE: instance}


def of_container(hub: str, workload: Workload, instance: str, part: int) -> dict[str, str]:
    """The labels of one container; the first also says how its like are made."""
    told = {**of_instance(hub, workload.service, workload.version, instance), REVISION: workload.revision}
    return {**told, PART: str(part), **({WORKLOAD: as_text(workload)} if part == 0 else {})}


def as_text(workload: Workload) -> str:
    """A workload as JSON, without what is not for a label."""
    bare = replace(workload, containers=tuple(replace(one, environment={}) for one in workload.containers))
    kept = {name: value for name, value in asdict(bare).items() if name not in _FLEETING}
    return json.dumps(kept, separators=(",", ":"), sort_keys=True)


def from_text(text: str, count: int) -> Workload:
    """What `as_text` made, as often as it runs; raises ValueError, TypeError or KeyError for what it did not make."""
    data = {name: value for name, value in json.loads(text).items() if name in _NAMES}
    return Workload(**{**_lists_as_tuples(data), **_nested(data), "count": count})


_NAMES = {field.name for field in fields(Workload)} - {*_FLEETING}


def _nested(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resources": Resources(**data["resources"]),
        "containers": tuple(Container(**_lists_as_tuples(one)) for one in data["containers"]),
        "mounts": tuple(Mount(**{**one, "kind": MountKind(one["kind"])}) for one in data["mounts"]),
    }


def _lists_as_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
