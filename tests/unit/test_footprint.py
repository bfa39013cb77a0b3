"""What strategies take of a place, and whether that fits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.backends.base import Capacity, Resources
from mlserve.errors import NoCapacity
from mlserve.hub.footprint import STRATEGIES, Peak, Sizes, Stage, peak, require_fit, rolling

SMALL, LARGE = Resources(cpu=1, memory_mb=100), Resources(cpu=2, memory_mb=300)
GROWING, SAME = Sizes(SMALL, LARGE), Sizes(SMALL, SMALL)


def fits(strategy: str, old: int, new: int, free: int, sizes: Sizes = GROWING) -> bool:
    place = Capacity(cpu=4, cpu_free=4, memory_mb=10_000, memory_free_mb=free)
    try:
        require_fit(STRATEGIES[strategy](old, new), old, sizes, place)
    except NoCapacity:
        return False
    return True


@pytest.mark.parametrize(
    ("strategy", "old", "new", "most"),
    [
        ("blue_green", 2, 3, Peak(5, 2, 3, cpu=8, memory_mb=1100, gpu=0)),
        ("recreate", 2, 3, Peak(3, 0, 3, cpu=6, memory_mb=900, gpu=0)),
        ("recreate", 4, 1, Peak(4, 4, 0, cpu=4, memory_mb=400, gpu=0)),
        ("canary", 2, 3, Peak(5, 2, 3, cpu=8, memory_mb=1100, gpu=0)),
        ("rolling", 2, 2, Peak(3, 2, 1, cpu=5, memory_mb=700, gpu=0)),
        ("start", 0, 2, Peak(2, 0, 2, cpu=4, memory_mb=600, gpu=0)),
    ],
)
def test_the_most_that_runs_on_the_way(strategy: str, old: int, new: int, most: Peak) -> None:
    assert peak(STRATEGIES[strategy](old, new), GROWING) == most


def test_another_number_of_instances_takes_no_more_than_the_larger_one() -> None:
    assert peak(STRATEGIES["scale"](1, 3), SAME).instances == peak(STRATEGIES["scale"](3, 1), SAME).instances == 3
    assert peak(STRATEGIES["scale"](1, 3), SAME).memory_mb == 300
    assert fits("scale", 1, 3, 200, SAME)
    assert not fits("scale", 1, 3, 199, SAME)
    assert fits("scale", 3, 1, 0, SAME)


def test_what_stays_until_the_new_is_ready_frees_nothing_for_it_and_what_ends_before_does() -> None:
    assert fits("blue_green", 3, 1, 300)
    assert not fits("blue_green", 3, 1, 299)
    assert fits("recreate", 3, 1, 0), "the three leave 300 MB behind"
    assert not fits("recreate", 2, 1, 99)


def test_a_rolling_release_has_as_many_more_and_fewer_as_it_may() -> None:
    steps = rolling(4, 4, surge=2, unavailable=1)
    assert max(step.old + step.new for step in steps) == 6
    assert min(step.old + step.new for step in steps) == 4
    assert steps[-1] == Stage(0, 4)
    assert all(before.old >= after.old and before.new <= after.new for before, after in pairwise(steps))


def test_what_a_strategy_does_is_said_in_a_line_of_a_narrow_terminal() -> None:
    for name, strategy in STRATEGIES.items():
        assert len(f"strategy  {name}: {strategy.__doc__}") <= 80


def test_a_place_that_schedules_by_itself_always_fits() -> None:
    for strategy in STRATEGIES.values():
        require_fit(strategy(9, 9), 9, Sizes(SMALL, LARGE), Capacity())


COUNTS = st.integers(0, 50)


@given(COUNTS, COUNTS, st.sampled_from(sorted(STRATEGIES)))
def test_each_way_ends_with_what_is_wished_and_its_most_is_no_less(old: int, new: int, name: str) -> None:
    old = 0 if name == "start" else old
    steps = STRATEGIES[name](old, new)
    most = peak(steps, SAME)
    assert steps[-1].old + steps[-1].new == new
    assert max(old + new, max(old, new) + 1) >= most.instances >= max(old, new)
    assert most.memory_mb == most.instances * SMALL.memory_mb


@given(COUNTS, COUNTS, st.integers(0, 20_000))
def test_where_all_fits_beside_the_old_it_fits_after_it_too(old: int, new: int, free: int) -> None:
    assert not fits("blue_green", old, new, free) or fits("recreate", old, new, free)
