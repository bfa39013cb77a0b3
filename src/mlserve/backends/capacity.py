"""Decide whether a machine has room for more instances. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlserve.backends.base import Capacity, Resources, Workload
from mlserve.backends.machine import Machine
from mlserve.backends.records import Record
from mlserve.errors import NoCapacity


def reserved(records: Iterable[Record]) -> Resources:
    """What the instances that run, or will be started again, may use together."""
    held = [record.resources for record in records if record.runs or record.retry_at is not None]
    return Resources(
        cpu=sum(one.cpu for one in held),
        memory_mb=sum(one.memory_mb for one in held),
        gpu=sum(one.gpu for one in held),
        gpu_memory_gb=sum(one.gpu_memory_gb for one in held),
    )


def spare(machine: Machine, held: Resources) -> Capacity:
    """Totals of the machine and what is neither reserved nor in use."""
    total_gb = round(sum(gpu.memory_mb for gpu in machine.gpus) / 1024, 1)
    free_gb = round(sum(gpu.memory_free_mb for gpu in machine.gpus) / 1024, 1)
    return Capacity(
        cpu=machine.cores,
        cpu_free=max(machine.cores - held.cpu, 0.0),
        memory_mb=machine.memory_mb,
        memory_free_mb=max(min(machine.memory_mb - held.memory_mb, machine.available_mb), 0),
        gpus=len(machine.gpus),
        gpus_free=max(len(machine.gpus) - held.gpu, 0),
        gpu_memory_gb=total_gb,
        gpu_memory_free_gb=max(min(total_gb - held.gpu_memory_gb, free_gb), 0.0),
    )


@dataclass(frozen=True, slots=True)
class _Need:
    what: str
    pointer: str
    needed: float
    free: float
    total: float
    unit: str


def check(workload: Workload, more: int, machine: Machine, held: Resources) -> None:
    """Raise NoCapacity when ``more`` instances do not fit; CPU of all together may exceed the cores, memory may not."""
    free, each = spare(machine, held), workload.resources
    needs = (
        _Need("cores for one instance", "/metadata/cpu", each.cpu, machine.cores, machine.cores, ""),
        _Need("GPUs", "/metadata/gpu", each.gpu * more, free.gpus_free or 0, len(machine.gpus), ""),
        _Need("GPU memory", "/metadata/gpu_memory", each.gpu_memory_gb * more, free.gpu_memory_free_gb or 0,
              free.gpu_memory_gb or 0, " GB"),
        _Need("memory", "/metadata/memory", each.memory_mb * more, free.memory_free_mb or 0, machine.memory_mb, " MB"),
    )  # fmt: skip
    for need in needs:
        if need.needed > need.free:
            raise _no_capacity(workload, more, need, gpus=bool(machine.gpus))


def _no_capacity(workload: Workload, more: int, need: _Need, *, gpus: bool) -> NoCapacity:
    message = (
        f'service "{workload.service}" needs {need.needed:g}{need.unit} {need.what} for {_copies(more)}, '
        f"free are {need.free:g}{need.unit} of {need.total:g}{need.unit}"
    )
    if need.pointer == "/metadata/gpu" and not gpus:
        message = (
            f'service "{workload.service}" needs {need.needed:g} GPUs, this machine has none that nvidia-smi shows'
        )
    detail = {
        "pointer": need.pointer,
        "code": "no-capacity",
        "message": message,
        "needed": need.needed,
        "free": need.free,
    }
    field = need.pointer.removeprefix("/").replace("/", ".")
    return NoCapacity(
        message, hint=f"ask for less with --set {field}=…, or stop or scale down another service", details=[detail]
    )


def _copies(count: int) -> str:
    return "one more instance" if count == 1 else f"{count} more instances"
