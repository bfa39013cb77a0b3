"""Every field there is: used, not applicable outside EAS's cloud, or in need of what a backend may lack. Pure.

What is used is said by the models themselves; this file lists the rest.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import BaseModel

from mlserve.descriptor.base import Words
from mlserve.descriptor.health import REFUSED, UNTIMED
from mlserve.descriptor.pointers import Place
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import FREE


class Sort(StrEnum):
    """What becomes of a field."""

    USED = "used"
    NOT_APPLICABLE = "not-applicable"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown-field"


NOT_APPLICABLE: Mapping[str, str] = {
    "role_arn": "storage credentials are those of the hub or of the resource group",
    "source": "it says where a console found the model",
    "metrics": "every metric that a processor reports is exported, declared or not",
    "features": "it names features of EAS's machines",
    "options.enableCache": "it is a setting of EAS's own services",
    "storage.*.nfs.resourceGroup": "resource groups of a cloud account have no meaning here",
    "storage.*.properties.resource_type": "files are mounted the same way, whatever they are",
    "networking.gateway": "the hub has one gateway",
    "cloud.computing.instances": "instance types and spot prices belong to EAS; metadata.cpu and .memory say the size",
    "cloud.computing.instance_type": "instance types belong to EAS; metadata.cpu and .memory say the size",
    "cloud.computing.disable_spot_protection_period": "there are no spot instances",
    "cloud.networking.vpc_id": "there is no VPC",
    "cloud.networking.vswitch_id": "there is no VPC",
    "cloud.networking.security_group_id": "there is no VPC",
    "cloud.networking.default_route": "there is no VPC",
    "cloud.networking.destination_cidrs": "there is no VPC",
    "metadata.workspace_id": "workspaces belong to EAS",
    "metadata.region": "a resource group (metadata.resource) says where it runs",
    "metadata.qos": "the resource group decides how CPUs are shared",
    "metadata.cuda": "the CUDA libraries come with the processor's packages",
    "metadata.rdma": "it needs EAS's network",
    "metadata.enable_webservice": "every endpoint passes on any path, web pages too",
    "metadata.resource_burstable": "a resource group has no public resources beside it",
    "metadata.resource_rebalancing": "a resource group has no public resources beside it",
    "metadata.scheduling.spread.policy": "the resource group decides where instances go",
    "metadata.eas.enabled_model_verification": "models are always verified",
    "metadata.rpc.io_threads": "the server program sizes its own network threads",
    "metadata.rpc.enable_sigterm": "an instance always gets SIGTERM, after the gateway has stopped sending to it",
    "metadata.rpc.enable_jemalloc": "the allocator is the server program's own choice",
    **{f"containers.*.health_check.{name}": reason for name, reason in UNTIMED.items()},
}
"""Field → why it has no meaning here. Accepted, and named in a warning."""

NEEDS: Mapping[str, str] = {
    "command": "programs",
    "port": "programs",
    "containers": "images",
    "dockerAuth": "images",
    **{f"containers.*.health_check.{name}": what for name, what in REFUSED.items()},
    "storage": "mounts",
    "storage.*.dataset": "ids of PAI's own registry; name the folder of its bucket with oss",
    "storage.*.code": "ids of PAI's own registry; name its repository with git",
    "autoscaler": "autoscaling",
    "runtime.enable_crash_block": "crash blocks",
    "unit.size": "multi-machine instances",
    "aimaster": "multi-machine instances",
    "sinker": "request recording",
    "confidential": "confidential models",
    "queue": "asynchronous services",
    "plugins": "model optimisation",
    "meta.type": "service types",
    "metadata.type": "service types",
    "metadata.workload_type": "elastic jobs",
    "metadata.rpc.decompressor": "request decompression",
    "metadata.rpc.proxy_path": "proxy paths",
}
"""Field → the capability of a backend that it takes (`mlserve.descriptor.capabilities`)."""

SPELLINGS: Sequence[str] = tuple(f"storage.*.{source}.read_only" for source in ("oss", "s3", "nfs"))
"""Fields that published descriptors spell in two ways; their models take both."""

OFF: Mapping[str, tuple[object, ...]] = {
    "unit.size": (1,),
    "metadata.type": ("Standard",),
    "metadata.rpc.proxy_path": ("/",),
    "metadata.scheduling.spread.policy": ("default",),
}
"""Values of the fields above that ask for nothing beyond what is so anyway, besides null, false, 0 and empty."""


@dataclass(slots=True)
class Known:
    """A field, and what may be below it."""

    sort: Sort | None = None
    """``None``: nothing but a place for what is below."""
    capability: str = ""
    reason: str = ""
    below: dict[str, Known] = field(default_factory=dict)
    free: bool = False
    """What is below has names or a form of its own."""


@cache
def known() -> Known:
    """The tree of all fields, lists as ``"*"``."""
    root = Known()
    _add_model(root, Descriptor, ())
    for name, reason in NOT_APPLICABLE.items():
        place = _find(root, name)
        place.sort, place.reason, place.free = Sort.NOT_APPLICABLE, reason, True
    for name, capability in NEEDS.items():
        place = _find(root, name)
        place.free = place.free or place.sort is None
        place.sort, place.capability = place.sort or Sort.UNSUPPORTED, capability
    for name in SPELLINGS:
        _find(root, name).sort = Sort.USED
    return root


def places(tree: Known, at: Place = ()) -> Iterator[tuple[Place, Known]]:
    """Every field of the tree with its place."""
    for name, node in tree.below.items():
        if node.sort:
            yield (*at, name), node
        yield from places(node, (*at, name))


def asks_nothing(name: str, value: Any) -> bool:
    """Whether a value leaves a field as it would be without it."""
    if isinstance(value, dict) and "enable" in value:
        return asks_nothing("", value["enable"])
    return value in (None, False, 0, "", "false", "0") or value in ([], {}) or value in OFF.get(name, ())


def _find(root: Known, name: str) -> Known:
    for part in name.split("."):
        root = root.below.setdefault(part, Known())
    return root


def _add_model(node: Known, model: type[Words], at: Place) -> None:
    for attribute, info in model.model_fields.items():
        name = info.alias or attribute
        here = node.below.setdefault(name, Known())
        inner, is_list = _model_in(info.annotation)
        always = inner is not None and info.annotation is inner
        here.sort = None if always else Sort.USED
        here.free = inner is None or (*at, name) in FREE
        if inner:
            place: Place = (*at, name, "*") if is_list else (*at, name)
            _add_model(here.below.setdefault("*", Known()) if is_list else here, inner, place)


def _model_in(annotation: Any) -> tuple[type[Words] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return typing.cast("type[Words]", annotation), False
    if typing.get_origin(annotation) is tuple:
        return _model_in(typing.get_args(annotation)[0])[0], True
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return next((found for arg in typing.get_args(annotation) if (found := _model_in(arg))[0]), (None, False))
    return None, False
