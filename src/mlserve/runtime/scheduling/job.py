"""One request on its way through the model, and why it may get no outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlserve.runtime.processors.base import Context
from mlserve.runtime.tensors import Array

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import Trace

Outcome = Mapping[str, Any] | BaseException
"""Outputs by name, or why there are none."""

USUAL = 100
"""The level of a request that states no priority: 1 is the most urgent, and what is above 100 gives way."""


class QueueFull(Exception):
    """No room to wait; ``retry_after``: whole seconds until there should be."""

    def __init__(self, retry_after: int, reason: str = "the queue is full; try again later") -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Expired(Exception):
    """The deadline passed before the answer."""


class Job:
    """A request's tensors. ``done`` gets outputs or an exception, once, on the event loop."""

    # What most requests never change is kept with the class: making one is on the way of every request.
    started = 0.0
    """When its call of the model began; 0: not yet."""
    batch = 0
    """Rows of that call, its own included."""
    trace: Trace | None = None
    level = USUAL
    context: Context | None = None
    size = 0
    """Bytes it holds while it waits, where those are counted."""
    queued = running = answered = streaming = False
    after: Callable[[], None] | None = None
    """Called when it holds nothing any more: neither a place in the queue nor a slot."""

    def __init__(
        self, inputs: dict[str, Array], rows: int, kin: object, done: Callable[[Outcome], None], seconds: float
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.kin = kin
        """Equal for requests that may share a call."""
        self.done = done
        self.submitted = now = perf_counter()
        self.expires = self.start_by = now + seconds
        """When it must be answered, and when it must at least have begun."""

    def cancelled(self) -> bool:
        """Nobody waits for the answer any more."""
        return self.answered
