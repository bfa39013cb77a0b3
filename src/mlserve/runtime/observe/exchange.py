"""One request and what became of it, as those see it who watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import Trace
    from mlserve.runtime.protocols.base import Call
    from mlserve.runtime.scheduling.job import Job
    from mlserve.runtime.tensors import Array

Arrays = Mapping[str, "Array"]


class Exchange:
    """Made when a request has come; filled on its way. Times are of `perf_counter`."""

    __slots__ = (
        "_tell", "batch", "began", "computed", "ended", "headers", "identity", "inputs", "job", "method", "outputs",
        "path", "protocol", "received", "rows", "sent", "started", "status", "submitted", "trace", "wanted",
    )  # fmt: skip

    def __init__(
        self, tell: Callable[[Exchange], None], protocol: str, method: str, path: str, headers: Mapping[bytes, bytes],
        received: int,
    ) -> None:  # fmt: skip
        self._tell = tell
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
        self.job: Job | None = None
        """Until it is finished."""
        self.status = self.sent = 0

    def follow(self, call: Call) -> None:
        """It was read: what it asks for."""
        call.trace = self.trace
        self.identity, self.rows = call.identity, call.rows

    def finish(self, status: int, sent: int) -> None:
        """Its answer goes out, or it never will. ``status`` as HTTP counts, whatever the protocol."""
        if self.ended:
            return
        self.ended, self.status, self.sent = perf_counter(), status, sent
        job, self.job = self.job, None
        if job is not None:
            self.submitted, self.started, self.batch, self.inputs = job.submitted, job.started, job.batch, job.inputs
        self._tell(self)


class Watcher(Protocol):
    """One way of watching. `wants` runs on the event loop, the rest on the observer's thread."""

    tensors: ClassVar[bool]
    """It looks at inputs and outputs, too."""

    def wants(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> bool:
        """Whether to watch the request that has just come; decided within a fraction of a microsecond."""

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        """What came since the last time. ``clock`` added to a time of `perf_counter` is seconds since 1970."""

    def tick(self) -> None:
        """Four times a second, with or without requests."""

    def close(self) -> None:
        """Finish: nothing comes any more."""

    def state(self) -> dict[str, Any]:
        """For `describe`."""
