"""One request and what became of it, as those see it who watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import Trace
    from mlserve.runtime.tensors import Array

Arrays = Mapping[str, "Array"]


class Exchange:
    """Made when a request has come; filled on its way. Times are of `perf_counter`."""

    __slots__ = (
        "batch", "began", "computed", "ended", "headers", "identity", "inputs", "method", "outputs", "path", "protocol",
        "received", "rows", "sent", "started", "status", "submitted", "trace", "wanted",
    )  # fmt: skip

    def __init__(self, protocol: str, method: str, path: str, headers: Mapping[bytes, bytes], received: int) -> None:
        self.protocol = protocol
        self.method = method
        self.path = path
        self.headers = headers
        self.received = received
        """Bytes of the body."""
        self.began = perf_counter()
        self.submitted = self.started = self.computed = self.ended = 0.0
        """When it was read, given to the model, ready there, and answered; 0: it never was."""
        self.wanted: Sequence[bool] = ()
        """By which watcher."""
        self.trace: Trace | None = None
        self.identity = ""
        self.rows = self.batch = 0
        """Its own rows, and those of the call it was part of."""
        self.inputs: Arrays | None = None
        self.outputs: Arrays | None = None
        self.status = self.sent = 0


class Watcher(Protocol):
    """One way of watching. `wants` runs on the event loop, the rest on the observer's thread."""

    tensors: bool
    """It looks at inputs and outputs, too."""

    def wants(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> bool:
        """Whether to watch the request that has just come; decided within a fraction of a microsecond."""

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        """What came since the last time. ``clock`` added to a time of `perf_counter` is seconds since 1970."""

    def tick(self) -> None:
        """Ten times a second, with or without requests."""

    def close(self) -> None:
        """Finish: nothing comes any more."""

    def state(self) -> dict[str, Any]:
        """For `describe`."""
