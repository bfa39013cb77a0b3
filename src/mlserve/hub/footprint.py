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
class Stage:
    """How many instances of the old and of the new version run at the same time."""

    old: int
    new: int


Stages = Callable[[int, int], Sequence[Stage]]
"""The instances of the old version now and those wished of the new one → the stages on the way."""


def all_beside(old: int, new: int) -> Sequence[Stage]:
    """All of the new beside the old, then one switch."""
    return (Stage(old, 0), Stage(old, new), Stage(0, new))


def in_shares(old: int, new: int) -> Sequence[Stage]:
    """Requests move in steps; at last all of both run."""
    return all_beside(old, new)


def rolling(old: int, new: int, *, surge: int = 1, unavailable: int = 0) -> Sequence[Stage]:
    """Instance by instance, a few more or fewer meanwhile."""
    most = max(old, new) + surge
    left = [min(max(old - unavailable - ready, 0), old) for ready in range(new + 1)]
    return (Stage(old, 0), *(Stage(stays, max(min(new, most - stays), 0)) for stays in left), Stage(0, new))


def one_after_the_other(old: int, new: int) -> Sequence[Stage]:
    """The old ends before the new starts."""
    return (Stage(old, 0), Stage(0, new))


def in_place(old: int, new: int) -> Sequence[Stage]:
    """The version stays, and gets or loses instances."""
    return (Stage(old, 0), Stage(old, new - old) if new > old else Stage(new, 0))


def all_at_once(_: int, new: int) -> Sequence[Stage]:
    """Nothing of it runs now, so all of it starts at once."""
    return (Stage(0, new),)


STRATEGIES: Mapping[str, Stages] = {
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


def peak(stages: Sequence[Stage], sizes: Sizes) -> Peak:
    """The most instances, the most cores, the most memory: not always of one stage."""
    most = max(stages, key=lambda stage: stage.old + stage.new)
    return Peak(
        instances=most.old + most.new,
        old=most.old,
        new=most.new,
        cpu=max(stage.old * sizes.old.cpu + stage.new * sizes.new.cpu for stage in stages),
        memory_mb=max(stage.old * sizes.old.memory_mb + stage.new * sizes.new.memory_mb for stage in stages),
        gpu=max(stage.old * sizes.old.gpu + stage.new * sizes.new.gpu for stage in stages),
    )


def require_fit(stages: Sequence[Stage], running: int, sizes: Sizes, capacity: Capacity) -> None:
    """Raise NoCapacity where a stage finds no room; ``running``: instances of the old version that hold theirs now."""
    sizes = Sizes(fitted(sizes.old, capacity), sizes.new)
    for stage in stages:
        if stage.new:
            require_room(sizes.new, stage.new, _without(capacity, sizes.old, max(running - stage.old, 0)))


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
