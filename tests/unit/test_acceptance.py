"""What a hub says of a descriptor that it accepts."""

from __future__ import annotations

import pytest

from mlserve.backends.base import Capacity
from mlserve.hub.acceptance import cpu_warning
from mlserve.workload import Resources


@pytest.mark.parametrize(
    ("free", "count", "beside", "said"),
    [
        (0, 1, 0, "2 of 2 cores are reserved already, so this one shares them"),
        (2, 3, 0, "3 × 1 cores are asked for, and there are 2: its instances share them"),
        (1, 1, 0, None),
        (0, 2, 2, None),
    ],
)
def test_cores_that_are_shared_are_told_in_plain_words(free: float, count: int, beside: int, said: str | None) -> None:
    found = cpu_warning(Resources(cpu=1), count, beside, Capacity(cpu=2, cpu_free=free))
    assert [one["message"] for one in found] == ([said] if said else [])
