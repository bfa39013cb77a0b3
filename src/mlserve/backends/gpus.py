"""GPUs of a place: what `nvidia-smi` says of them, who has which, and which a new instance gets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlserve.backends.base import Capacity, Gpu
from mlserve.backends.records import Record
from mlserve.errors import NoCapacity
from mlserve.workload import Resources

QUERY = (
    "nvidia-smi",
    "--query-gpu=index,memory.total,memory.free,name,uuid",
    "--format=csv,noheader,nounits",
)
WHOLE = 100


@dataclass(frozen=True, slots=True)
class Share:
    """What of one GPU instances have: cores in percent, memory in MB."""

    percentage: int = 0
    memory_mb: int = 0


def parsed(text: str) -> tuple[Gpu, ...]:
    """The GPUs in the answer to `QUERY`; lines that are no GPU (a driver's complaint) are left out."""
    rows = [[word.strip() for word in line.split(",")] for line in text.splitlines()]
    return tuple(
        # Machines with unified memory answer "[N/A]" for memory.
        Gpu(int(row[0]), _number(row[1]), _number(row[2]), ", ".join(row[3:-1]), row[-1])
        for row in rows
        if len(row) >= 5 and row[0].isdigit()
    )


def wants(wanted: Resources) -> bool:
    """Whole GPUs, or a share of one."""
    return bool(wanted.gpu or wanted.gpu_memory_gb or wanted.gpu_core_percentage)


def fitted(wanted: Resources, capacity: Capacity) -> Resources:
    """What an instance uses at a place: on the CPU where there is no GPU at all and it does not insist on one."""
    if not (wants(wanted) and wanted.gpu_optional and capacity.gpus == 0):
        return wanted
    return Resources(cpu=wanted.cpu, memory_mb=wanted.memory_mb)


def taken(records: Iterable[Record]) -> Mapping[str, Share]:
    """GPU → what the instances that run, or will be started again, have of it."""
    shares: dict[str, Share] = {}
    for record in records:
        if record.runs or record.retry_at is not None:
            mine = _share(record.resources)
            for uuid in record.gpus:
                before = shares.get(uuid, Share())
                shares[uuid] = Share(before.percentage + mine.percentage, before.memory_mb + mine.memory_mb)
    return shares


def pick(wanted: Resources, gpus: Sequence[Gpu], shares: Mapping[str, Share]) -> tuple[str, ...]:
    """The GPUs of a new instance: whole ones that nobody has, or the fullest that still holds its share.

    Empty where none is asked for, or where the place does not tell its GPUs one by one. Raises NoCapacity.
    """
    if not wants(wanted) or not gpus:
        return ()
    need = _share(wanted)
    fit = [gpu for gpu in gpus if _fits(gpu, need, shares.get(gpu.uuid, Share()), whole=bool(wanted.gpu))]
    count = wanted.gpu or 1
    if len(fit) < count:
        raise NoCapacity(
            f"{_asked(wanted)} needed, and none of its GPUs has that free: {told(gpus, shares)}"
            if count == 1
            else f"{_asked(wanted)} needed, {len(fit)} of its GPUs are free: {told(gpus, shares)}",
            hint="wait, stop or scale down another service, or ask for less: --set metadata.gpu=…",
        )
    # Whole GPUs: those with the most free memory. A share: where least is left, so that whole ones stay free.
    fit.sort(key=lambda gpu: (-gpu.memory_free_mb if wanted.gpu else _left(gpu, shares), gpu.index))
    return tuple(gpu.uuid for gpu in fit[:count])


def told(gpus: Sequence[Gpu], shares: Mapping[str, Share]) -> str:
    """The GPUs of a place in words."""
    return "; ".join(
        f"{gpu.name or 'GPU'} {gpu.index}: {min(_left(gpu, shares), gpu.memory_free_mb)} of {gpu.memory_mb} MB free"
        + (f", {shares[gpu.uuid].percentage} % reserved" if gpu.uuid in shares else "")
        for gpu in gpus
    )


def environment(wanted: Resources) -> dict[str, str]:
    """What holds a program to its share of a GPU's cores, where NVIDIA's MPS runs."""
    if not wanted.gpu_core_percentage:
        return {}
    return {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(wanted.gpu_core_percentage)}


def _share(wanted: Resources) -> Share:
    if wanted.gpu:
        return Share(WHOLE, 0)
    return Share(wanted.gpu_core_percentage, round(wanted.gpu_memory_gb * 1024))


def _fits(gpu: Gpu, need: Share, had: Share, *, whole: bool) -> bool:
    if whole:
        return had == Share()
    left = min(gpu.memory_mb - had.memory_mb, gpu.memory_free_mb)
    return had.percentage + need.percentage <= WHOLE and had.percentage < WHOLE and need.memory_mb <= left


def _left(gpu: Gpu, shares: Mapping[str, Share]) -> int:
    return gpu.memory_mb - shares.get(gpu.uuid, Share()).memory_mb


def _asked(wanted: Resources) -> str:
    if wanted.gpu:
        return f"{wanted.gpu} GPU is" if wanted.gpu == 1 else f"{wanted.gpu} GPUs are"
    parts = [f"{wanted.gpu_memory_gb:g} GB"] if wanted.gpu_memory_gb else []
    parts += [f"{wanted.gpu_core_percentage} % of the cores"] if wanted.gpu_core_percentage else []
    return f"{' and '.join(parts)} of one GPU are"


def _number(word: str) -> int:
    return int(word) if word.isdigit() else 0
