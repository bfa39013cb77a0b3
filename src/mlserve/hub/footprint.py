"""What a strategy takes of a place while it replaces one version by another, and whether that fits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mlserve.backends.base import Capacity
from mlserve.backends.gpus import fitted
from mlserve.backends.room import require_room
from mlserve.workload import Resources

Amount = TypeVar("Amount", int, float)


@dataclass(frozen=True, slots=True)
class Step:
    """How many instances of the old and of the new version run at the same time."""

    old: int
    new: int


Strategy = Callable[[int, int], Sequence[Step]]
"""The instances of the old version now and those wished of the new one → the steps on the way."""


def all_beside(old: int, new: int) -> Sequence[Step]:
    """All of the new beside the old, then one switch."""
    return (Step(old, 0), Step(old, new), Step(0, new))


def in_shares(old: int, new: int) -> Sequence[Step]:
    """Shares of the requests in steps, all of both at last."""
    return all_beside(old, new)


def rolling(old: int, new: int, *, surge: int = 1, unavailable: int = 0) -> Sequence[Step]:
    """Instance by instance, a few more or fewer meanwhile."""
    most = max(old, new) + surge
    left = [min(max(old - unavailable - ready, 0), old) for ready in range(new + 1)]
    return (Step(old, 0), *(Step(stays, max(min(new, most - stays), 0)) for stays in left), Step(0, new))


def one_after_the_other(old: int, new: int) -> Sequence[Step]:
    """The old ends before the new starts."""
    return (Step(old, 0), Step(0, new))


def in_place(old: int, new: int) -> Sequence[Step]:
    """The version stays, and gets or loses instances."""
    return (Step(old, 0), Step(old, new - old) if new > old else Step(new, 0))


def all_at_once(_: int, new: int) -> Sequence[Step]:
    """Nothing of it runs now, so all of it starts at once."""
    return (Step(0, new),)


STRATEGIES: Mapping[str, Strategy] = {
    "start": all_at_once,
    "rolling": rolling,
    "blue_green": all_beside,
    "canary": in_shares,
    "recreate": one_after_the_other,
    "scale": in_place,
}
"""By the name that a plan shows; the docstring says to people what it does."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one instance of the old and of the new version may use."""

    old: Resources
    new: Resources


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that runs at any time on the way. Memory in MB; 0 where no instance has a limit."""

    instances: int
    old: int
    new: int
    cpu: float
    memory_mb: int
    gpu: int


def peak(steps: Sequence[Step], sizes: Sizes) -> Peak:
    """The most instances, the most cores, the most memory: not always of one step."""
    most = max(steps, key=lambda step: step.old + step.new)
    return Peak(
        instances=most.old + most.new,
        old=most.old,
        new=most.new,
        cpu=max(step.old * sizes.old.cpu + step.new * sizes.new.cpu for step in steps),
        memory_mb=max(step.old * sizes.old.memory_mb + step.new * sizes.new.memory_mb for step in steps),
        gpu=max(step.old * sizes.old.gpu + step.new * sizes.new.gpu for step in steps),
    )


def require_fit(steps: Sequence[Step], running: int, sizes: Sizes, capacity: Capacity) -> None:
    """Raise NoCapacity where a step finds no room; ``running``: instances of the old version that hold theirs now."""
    sizes = Sizes(fitted(sizes.old, capacity), sizes.new)
    for step in steps:
        if step.new:
            require_room(sizes.new, step.new, _without(capacity, sizes.old, max(running - step.old, 0)))


def _without(capacity: Capacity, size: Resources, count: int) -> Capacity:
    """The place once so many instances of that size are gone."""
    return replace(
        capacity,
        cpu_free=_more(capacity.cpu_free, size.cpu * count, capacity.cpu),
        memory_free_mb=_more(capacity.memory_free_mb, size.memory_mb * count, capacity.memory_mb),
        gpus_free=_more(capacity.gpus_free, size.gpu * count, capacity.gpus),
        gpu_memory_free_gb=_more(capacity.gpu_memory_free_gb, size.gpu_memory_gb * count, capacity.gpu_memory_gb),
    )


def _more(free: Amount | None, freed: Amount, total: Amount | None) -> Amount | None:
    if free is None:
        return None
    return free + freed if total is None else min(free + freed, total)
