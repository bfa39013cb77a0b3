"""Whether there is room, and what is said when there is none."""

from __future__ import annotations

import pytest

from mlserve.backends.base import Capacity, Resources
from mlserve.backends.room import require_room
from mlserve.errors import NoCapacity

PLACE = Capacity(cpu=2, cpu_free=0, memory_mb=4000, memory_free_mb=1000, gpus=1, gpus_free=1, gpu_memory_free_gb=8.0)


def test_what_fits_passes_and_the_cpu_of_all_together_may_exceed_the_cores() -> None:
    require_room(Resources(cpu=2, memory_mb=500, gpu=0), 2, PLACE)


@pytest.mark.parametrize(
    ("wanted", "count", "pointer", "words"),
    [
        (Resources(cpu=3), 1, "/metadata/cpu", "3 cores, this place has 2"),
        (Resources(memory_mb=600), 2, "/metadata/memory", "1200 MB of memory are needed, 1000 MB are free"),
        (Resources(gpu=1), 2, "/metadata/gpu", "2 GPUs are needed, 1 is free"),
        (Resources(gpu_memory_gb=5), 2, "/metadata/gpu_memory", "10 GB of GPU memory are needed, 8 GB are free"),
    ],
)
def test_each_shortfall_says_what_is_needed_and_what_is_free(
    wanted: Resources, count: int, pointer: str, words: str
) -> None:
    with pytest.raises(NoCapacity, match=words) as caught:
        require_room(wanted, count, PLACE)
    assert caught.value.details[0]["pointer"] == pointer
    assert pointer[1:].replace("/", ".") in caught.value.hint


def test_one_gpu_is_told_as_one() -> None:
    with pytest.raises(NoCapacity, match="1 GPU is needed, this place has none that nvidia-smi shows"):
        require_room(Resources(gpu=1), 1, Capacity(gpus=0, gpus_free=0))
    with pytest.raises(NoCapacity, match="1 GPU is needed, 0 are free"):
        require_room(Resources(gpu=1), 1, Capacity(gpus=1, gpus_free=0))


def test_all_shortfalls_are_told_at_once() -> None:
    with pytest.raises(NoCapacity) as caught:
        require_room(Resources(cpu=9, memory_mb=9999, gpu=3), 1, PLACE)
    assert [detail["pointer"] for detail in caught.value.details] == [
        "/metadata/cpu",
        "/metadata/memory",
        "/metadata/gpu",
    ]
    assert "--set metadata.cpu=… --set metadata.memory=… --set metadata.gpu=…" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "count", "next"),
    [
        (Resources(memory_mb=600), 2, "scale down another service"),
        (Resources(gpu=1), 2, "metadata.resource=… (mlserve resource list)"),
        (Resources(memory_mb=4001), 1, "metadata.resource=… (mlserve resource list)"),
    ],
)
def test_other_services_are_to_give_way_only_where_that_would_be_enough(
    wanted: Resources, count: int, next: str
) -> None:
    with pytest.raises(NoCapacity) as caught:
        require_room(wanted, count, PLACE)
    assert next in caught.value.hint


def test_a_place_that_schedules_by_itself_is_never_full() -> None:
    require_room(Resources(cpu=99, memory_mb=10**9, gpu=9), 99, Capacity())
