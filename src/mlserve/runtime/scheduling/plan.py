"""How calls of the model are made, as the descriptor says and warm-up measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from mlserve.runtime.scheduling.costs import Costs

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the queue keeps to."""

    slots: int
    waiting: int
    """Requests that may wait."""
    batch_rows: int = 1
    """Rows one call may have; 1: requests never share a call."""
    hold_seconds: float = 0.0
    """How long a batch that is not full waits for more."""
    wait_seconds: float = math.inf
    """A request that would have to wait longer is refused; so is one whose own deadline comes sooner."""
    wait_bytes: int = 0
    """What those that wait may hold together; 0: not counted."""
    idle_seconds: float = 60.0
    """A sequence that nobody asks for so long is forgotten."""
    costs: Costs = field(default_factory=Costs)
    """Calls that it finds short run in the event loop."""
    clock: Clock = perf_counter
    """What costs are measured with."""
