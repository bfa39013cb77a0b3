"""What a processor is: the inference logic of one model format. Arrays in, arrays out, synchronous.

A format is one file in this folder, named as users say it. Its constants REQUIREMENTS, SUFFIXES and ALIASES are read
by the hub without importing it, and it has one function: ``create(place)``, which returns a `Processor`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np

    from mlserve.runtime.metrics import Metrics
    from mlserve.runtime.observe.user_metrics import UserMetrics

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output. ``datatype`` is a word of the Open Inference Protocol, ``""`` where any is welcome."""

    name: str
    datatype: str
    shape: tuple[int, ...] | None
    """-1: any size; ``None``: any shape."""
    optional: bool = False
    labels: tuple[str, ...] | None = None
    """Words for the classes along the last axis of an output."""
    missing: bool = False
    """An empty text is a missing one to the model, so that null may stand for it."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Which of a row of requests that belong together this one is."""

    identity: int | str
    start: bool = False
    end: bool = False


def _never() -> bool:
    return False


@dataclass(slots=True)
class Context:
    """What came with a request besides its tensors."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""
    """The request's own id, ``""`` where it has none."""
    sequence: Sequence | None = None
    state: dict[str, Any] = field(default_factory=dict)
    """The same for every request of a sequence: what a processor wants to remember between them."""
    cancelled: Callable[[], bool] = _never
    """The client has gone, or the deadline has passed: the rest of the work is for nobody."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a model takes and gives."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    platform: str = ""
    rows: bool = False
    """The first axis of every input and output counts independent rows, so that requests may share one call."""
    open: bool = False
    """Inputs that are not listed are welcome too."""
    trusted: bool = True
    """Our own code, whose short calls may run in the event loop; a user's may block and never does."""
    streams: bool = False
    """It has ``stream(inputs, context)``: any number of answers to one request."""
    context: bool = False
    """``predict`` takes a `Context` as its second argument."""
    concurrent: bool = False
    """``predict`` is a coroutine function: the processor is `Concurrent`, and many requests are in flight."""
    raw: tuple[str, ...] = ()
    """Paths on which POST bodies reach it as they are (`mlserve.runtime.raw_bodies`); ``"*"``: any."""
    facts: Mapping[str, Any] | None = None
    """Threads, versions, device and warnings to report."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a processor finds its things and what it may use."""

    model_path: Path | None
    model_entry: str | None
    processor_path: Path | None = None
    processor_entry: str | None = None
    threads: int = 1
    require_safe: bool = False
    service: str = "model"
    """The service's name, which some processors want to know."""
    gpu: float = 0
    """GPUs that were asked for: a processor that can't use one says so, with cause ``gpu-unavailable``."""
    metrics: Metrics | None = None
    """Of the instance; ``None``: nobody asks for any."""


class Processor:
    """The base of a processor. `load` is called once, before the instance is ready; `predict` on a worker thread.

    `predict` may also

    - take a second argument, the request's `Context`;
    - be a coroutine function: 64 run at once on an event loop of their own, or ``rpc.worker_threads`` if that is more,
      and one whose client has gone is cancelled;
    - be a generator (plain or async): each of its values is one answer, and a client that wants one answer gets the
      outputs of all, one after the other along their first axis. A processor that answers both ways in its own words
      has ``predict`` for the whole and a generator ``stream`` for the parts.

    Requests share a call where ``metadata`` declares rows (first size -1 everywhere) and ``rpc.batching`` is on.
    """

    @cached_property
    def metrics(self) -> UserMetrics:
        """Counters, gauges and histograms of your own, shown with the instance's: ``self.metrics.counter("hits")``."""
        from mlserve.runtime.observe.user_metrics import UserMetrics  # these are shown nowhere: nobody serves it

        return UserMetrics()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """Make the model at ``path`` (file or directory) ready. Import the model's library in here."""

    def metadata(self) -> Any:
        """``{"inputs": [{"name", "type", "shape"}], "outputs": [...]}``; may be left out."""
        return None

    def predict(self, inputs: dict[str, Any]) -> Any:
        """Outputs by name for inputs by name. Raise `mlserve.runtime.InvalidInput` to answer 400 with your words."""
        raise NotImplementedError(f"{type(self).__name__}.predict(inputs) is not written yet")


class Loaded(Protocol):
    """A processor of this folder after `create`."""

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """Before: nothing is read. Raises StartFailure with a cause the user can act on."""

    def metadata(self) -> Metadata:
        """After `load` only."""

    def predict(self, inputs: Arrays) -> Arrays:
        """Thread-safe. Inputs are already of the declared datatype and shape."""


class Streaming(Loaded, Protocol):
    """A processor whose metadata says ``streams``."""

    def stream(self, inputs: Arrays, context: Context) -> Iterator[Arrays]:
        """The answers to one request, each as soon as it is there. On a worker thread; closed when nobody listens."""


class Resizable(Loaded, Protocol):
    """A processor that can be told how many threads one call takes; warm-up measures what is best."""

    def resize(self, threads: int) -> None:
        """Compute each call on so many threads from now on."""


class Widening(Resizable, Protocol):
    """One that also can decide it call by call."""

    def widen(self, threads: int) -> None:
        """Compute a call that has the cores for itself on so many threads; the others as before."""


class Concurrent(Loaded, Protocol):
    """A processor whose metadata says ``concurrent``."""

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Begin a coroutine on the loop that the processor's own code runs in."""

    async def answer(self, inputs: Arrays, *context: Context) -> Arrays:
        """As `predict`, in that loop."""


def declared(shape: Listed[Any] | None) -> tuple[int, ...] | None:
    """A shape with -1 for each size that is open (None, a symbol, 0 or below)."""
    if shape is None:
        return None
    return tuple(size if isinstance(size, int) and size > 0 else -1 for size in shape)
