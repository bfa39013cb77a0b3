"""Decide whether a place has room for more instances: one rule for what is refused up front and at the start. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlserve.backends import gpus
from mlserve.backends.base import Capacity, Resources
from mlserve.errors import Detail, NoCapacity


def require_room(asked: Resources, count: int, capacity: Capacity) -> None:
    """Raise NoCapacity where ``count`` more instances do not fit, each shortfall with what is needed and what is free.

    The CPU of all together may exceed the cores, that of one instance may not; nothing else is ever shared.
    """
    wanted = gpus.fitted(asked, capacity)
    short = list(_shortfalls(wanted, count, capacity))
    if short:
        raise NoCapacity(
            "; ".join(str(detail["message"]) for detail in short),
            hint=_hint(short, capacity),
            details=short,
        )


def _shortfalls(wanted: Resources, count: int, place: Capacity) -> Iterator[Detail]:
    if place.cpu is not None and wanted.cpu > place.cpu:
        text = f"one instance asks for {wanted.cpu:g} cores, this place has {place.cpu:g}"
        yield _shortfall("/metadata/cpu", text, wanted.cpu, place.cpu)
    memory = wanted.memory_mb * count
    if place.memory_free_mb is not None and memory > place.memory_free_mb:
        text = f"{count} × {wanted.memory_mb} MB = {memory} MB of memory are needed, {place.memory_free_mb} MB are free"
        yield _shortfall("/metadata/memory", text, memory, place.memory_free_mb)
    needed = wanted.gpu * count
    if place.gpus_free is not None and needed > place.gpus_free:
        none = "this place has none that nvidia-smi shows"
        names = f" of {', '.join(gpu.name or 'GPU' for gpu in place.devices)}" if place.devices else ""
        text = f"{_gpus(needed)} needed, " + (f"{_are(place.gpus_free)} free{names}" if place.gpus else none)
        yield _shortfall("/metadata/gpu", text, needed, place.gpus_free)
    share = wanted.gpu_memory_gb * count
    if place.gpu_memory_free_gb is not None and share > place.gpu_memory_free_gb:
        text = f"{share:g} GB of GPU memory are needed, {place.gpu_memory_free_gb:g} GB are free"
        yield _shortfall("/metadata/gpu_memory", text, share, place.gpu_memory_free_gb)


def _hint(short: Sequence[Detail], place: Capacity) -> str:
    less = " ".join(f"--set {detail['pointer'][1:].replace('/', '.')}=…" for detail in short)
    has = {
        "/metadata/cpu": place.cpu,
        "/metadata/memory": place.memory_mb,
        "/metadata/gpu": place.gpus,
        "/metadata/gpu_memory": place.gpu_memory_gb,
    }
    enough = all((total := has[detail["pointer"]]) is None or detail["needed"] <= total for detail in short)
    if enough:
        return f"ask for less with {less}, or stop or scale down another service (mlserve list)"
    return f"ask for less with {less}, or choose a larger place with --set metadata.resource=… (mlserve resource list)"


def _gpus(count: int) -> str:
    return "1 GPU is" if count == 1 else f"{count} GPUs are"


def _are(count: int) -> str:
    return "1 is" if count == 1 else f"{count} are"


def _shortfall(pointer: str, message: str, needed: float, free: float) -> Detail:
    return {"pointer": pointer, "code": "no-capacity", "message": message, "needed": needed, "free": free}
