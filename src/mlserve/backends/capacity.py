"""What of a machine is reserved and what is spare. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mlserve.backends.base import Capacity, Gpu, Resources
from mlserve.backends.records import Record

__all__ = ["Gpu", "Machine", "reserved", "spare"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is; memory in MB, ``available_mb`` what is not in use right now."""

    cores: float
    memory_mb: int
    available_mb: int
    gpus: tuple[Gpu, ...] = ()


def reserved(records: Iterable[Record]) -> Resources:
    """What the instances that run, or will be started again, may use together."""
    held = [record.resources for record in records if record.runs or record.retry_at is not None]
    return Resources(
        cpu=sum(one.cpu for one in held),
        memory_mb=sum(one.memory_mb for one in held),
        gpu=sum(one.gpu for one in held),
        gpu_memory_gb=sum(one.gpu_memory_gb for one in held),
    )


def spare(machine: Machine, held: Resources, taken: Collection[str] = ()) -> Capacity:
    """Totals of the machine and what is neither reserved nor in use. ``taken``: GPUs that somebody has a share of."""
    total_gb = round(sum(gpu.memory_mb for gpu in machine.gpus) / 1024, 1)
    free_gb = round(sum(gpu.memory_free_mb for gpu in machine.gpus) / 1024, 1)
    return Capacity(
        cpu=machine.cores,
        cpu_free=max(machine.cores - held.cpu, 0.0),
        memory_mb=machine.memory_mb,
        memory_free_mb=max(min(machine.memory_mb - held.memory_mb, machine.available_mb), 0),
        gpus=len(machine.gpus),
        gpus_free=max(len(machine.gpus) - max(held.gpu, len(taken)), 0),
        gpu_memory_gb=total_gb,
        gpu_memory_free_gb=max(min(total_gb - held.gpu_memory_gb, free_gb), 0.0),
        devices=machine.gpus,
    )
