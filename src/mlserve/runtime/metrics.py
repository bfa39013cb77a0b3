"""Count requests and time their stages, for Prometheus and for the statistics extension. The event loop writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlserve.runtime.observe.histogram import SIZES, Histogram

if TYPE_CHECKING:
    from mlserve.runtime.observe.exposition import Family
    from mlserve.runtime.observe.user_metrics import UserMetrics

_SIZES_KEPT = 64


class Metrics:
    """What one instance has done since it started."""

    def __init__(self, service: str, version: int) -> None:
        self.service, self.version = service, version
        self.started = time.time()
        self.codes: dict[tuple[str, int], int] = {}
        """Answers by protocol and status."""
        self.failures: dict[str, int] = {}
        """Inference requests that failed, by reason."""
        self.total, self.queue, self.compute = Histogram(), Histogram(), Histogram()
        self.first_part = Histogram()
        """Until the first part of an answer that streams."""
        self.sizes: dict[int, list[float]] = {}
        """Rows of a call → how many such calls, and their seconds."""
        self.steps: dict[str, Histogram] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.counters: dict[str, tuple[str, Callable[[], float]]] = {}
        self.families: list[Callable[[], list[Family]]] = []
        """More that others have to show."""
        self.succeeded = self.failed = self.rows = self.runs = self.computed = 0
        self.failed_seconds = self.input_seconds = self.infer_seconds = self.output_seconds = 0.0
        self.last = 0.0
        """When the last call of the model ended, in the time of this machine; 0: none yet."""
        self._user: UserMetrics | None = None
        self._lock = threading.Lock()

    @property
    def user(self) -> UserMetrics:
        """The processor's own."""
        with self._lock:
            if self._user is None:
                from mlserve.runtime.observe.user_metrics import UserMetrics  # few processors have any

                self._user = UserMetrics()
                self.families.append(self._user.families)
            return self._user

    def answered(self, status: int, protocol: str = "http") -> None:
        """A reply went out, of any path."""
        key = (protocol, status)
        self.codes[key] = self.codes.get(key, 0) + 1

    def failure(self, reason: str, seconds: float = 0.0) -> None:
        """An inference request was not answered with outputs."""
        self.failed += 1
        self.failed_seconds += seconds
        self.failures[reason] = self.failures.get(reason, 0) + 1

    def ran(self, rows: int, seconds: float, requests: int = 1) -> None:
        """The model was called once, for the rows of so many requests."""
        self.runs += 1
        self.rows += rows
        self.computed += requests
        self.infer_seconds += seconds * requests
        self.compute.observe(seconds)
        size = self.sizes.get(rows) or self._size(rows)
        size[0] += 1
        size[1] += seconds
        self.last = time.time()

    def step(self, name: str, seconds: float) -> None:
        """One step of a pipeline ran; any thread may say so."""
        with self._lock:
            found = self.steps.get(name)
            if found is None:
                found = self.steps[name] = Histogram()
            found.observe(seconds)

    def batches(self) -> Histogram:
        """Rows that shared one call."""
        found = Histogram(SIZES)
        for rows, (count, _) in list(self.sizes.items()):
            found.add(rows, int(count))
        return found

    def render(self) -> bytes:
        """The Prometheus text format."""
        from mlserve.runtime.observe.instance_metrics import render  # not before somebody asks

        return render(self).encode()

    def statistics(self) -> dict[str, Any]:
        """One entry of ``model_stats``, as the statistics extension of the Open Inference Protocol has it."""
        from mlserve.runtime.observe.statistics import statistics

        return statistics(self)

    def _size(self, rows: int) -> list[float]:
        """Clients choose rows, so no list of them may grow for ever: beyond 64, powers of two stand for the rest."""
        kept = rows if len(self.sizes) < _SIZES_KEPT else 1 << max(0, rows - 1).bit_length()
        return self.sizes.setdefault(kept, [0, 0.0])
