"""Who gets which GPU of a place."""

from __future__ import annotations

import pytest

from mlserve.backends.base import Capacity, Gpu, Resources, State
from mlserve.backends.gpus import Share, environment, fitted, parsed, pick, taken
from mlserve.backends.records import Record
from mlserve.backends.room import require_room
from mlserve.errors import NoCapacity

GPUS = (Gpu(0, 80000, 70000, "H100", "a"), Gpu(1, 80000, 79000, "H100", "b"), Gpu(2, 24000, 24000, "A10", "c"))


def record(gpus: tuple[str, ...], **resources: float) -> Record:
    return Record("i", "s", 1, "0", State.READY, Resources(**resources), gpus=gpus)  # type: ignore[arg-type]


def test_nvidia_smi_is_read_line_by_line() -> None:
    told = "0, 81559, 80000, NVIDIA H100, GPU-aaaa\nFailed to initialise NVML\n1, [N/A], [N/A], GB10, GPU-b\n"
    assert parsed(told) == (Gpu(0, 81559, 80000, "NVIDIA H100", "GPU-aaaa"), Gpu(1, 0, 0, "GB10", "GPU-b"))


def test_whole_gpus_are_those_nobody_has_with_the_most_free_memory() -> None:
    assert pick(Resources(gpu=1), GPUS, {}) == ("b",)
    assert pick(Resources(gpu=2), GPUS, {"b": Share(25, 0)}) == ("a", "c")


def test_a_share_goes_where_least_is_left() -> None:
    assert pick(Resources(gpu_memory_gb=8), GPUS, {}) == ("c",)
    assert pick(Resources(gpu_memory_gb=30), GPUS, {"b": Share(0, 40000)}) == ("b",)
    assert pick(Resources(gpu_core_percentage=60), GPUS[:2], {"b": Share(50, 0)}) == ("a",)


def test_what_does_not_fit_names_the_gpus_and_what_they_have_free() -> None:
    with pytest.raises(NoCapacity, match=r"1 GPU is needed.*H100 0: 70000 of 80000 MB free, 100 % reserved"):
        pick(Resources(gpu=1), GPUS[:1], {"a": Share(100, 0)})
    with pytest.raises(NoCapacity, match="100 GB of one GPU are needed"):
        pick(Resources(gpu_memory_gb=100), GPUS, {})
    with pytest.raises(NoCapacity, match="4 GPUs are needed, 3 of its GPUs are free"):
        pick(Resources(gpu=4), GPUS, {})


def test_nothing_is_picked_where_nothing_is_asked_for_or_known() -> None:
    assert pick(Resources(), GPUS, {}) == ()
    assert pick(Resources(gpu=1), (), {}) == ()


def test_instances_that_run_hold_their_gpus() -> None:
    records = [record(("a",), gpu=1), record(("b",), gpu_memory_gb=2, gpu_core_percentage=30), record(("b",))]
    assert taken(records) == {"a": Share(100, 0), "b": Share(30, 2048)}
    assert not taken([Record("i", "s", 1, "0", State.STOPPED, Resources(gpu=1), gpus=("a",))])


def test_a_share_of_the_cores_is_told_to_the_program() -> None:
    assert environment(Resources(gpu_core_percentage=25)) == {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "25"}
    assert environment(Resources(gpu=1)) == {}


def test_only_a_place_without_any_gpu_lets_a_service_fall_back_to_the_cpu() -> None:
    wanted = Resources(cpu=2, memory_mb=100, gpu=1, gpu_optional=True)
    assert fitted(wanted, Capacity(gpus=0)) == Resources(cpu=2, memory_mb=100)
    assert fitted(wanted, Capacity(gpus=1, gpus_free=0)) == wanted
    assert fitted(wanted, Capacity()) == wanted
    require_room(wanted, 1, Capacity(gpus=0, gpus_free=0))
    with pytest.raises(NoCapacity, match="none"):
        require_room(Resources(gpu=1), 1, Capacity(gpus=0, gpus_free=0))
