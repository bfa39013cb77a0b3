"""Count requests and time their stages; rendered for Prometheus when asked. One thread writes: the event loop."""

from __future__ import annotations

import resource
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Fixed buckets."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str) -> list[str]:
        so_far, lines = 0, []
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            so_far += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {so_far}')
        return [*lines, f"{name}_sum{{{labels}}} {self.total:.9g}", f"{name}_count{{{labels}}} {so_far}"]


class Metrics:
    """What one instance has done since it started."""

    def __init__(self, service: str, version: int) -> None:
        self._labels = f'service="{service}",version="{version}"'
        self._nv_labels = f'model="{service}",version="{version}"'
        self.codes: dict[int, int] = {}
        self.failures: dict[str, int] = {}
        self.queue = Histogram(SECONDS)
        self.compute = Histogram(SECONDS)
        self.total = Histogram(SECONDS)
        self.batches = Histogram(SIZES)
        self.succeeded = self.failed = self.rows = self.runs = 0
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.started = time.time()

    def answered(self, status: int) -> None:
        self.codes[status] = self.codes.get(status, 0) + 1

    def failure(self, reason: str) -> None:
        self.failed += 1
        self.failures[reason] = self.failures.get(reason, 0) + 1

    def render(self) -> bytes:
        """The Prometheus text format."""
        out: list[str] = []
        for name, kind, words, lines in self._families():
            out += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines]
        return ("\n".join(out) + "\n").encode()

    def _families(self) -> list[tuple[str, str, str, list[str]]]:
        labels, nv = self._labels, self._nv_labels

        def counter(name: str, words: str, value: float, of: str = labels) -> tuple[str, str, str, list[str]]:
            return name, "counter", words, [f"{name}{{{of}}} {value:.15g}"]

        def per(
            name: str, words: str, label: str, values: dict[int, int] | dict[str, int]
        ) -> tuple[str, str, str, list[str]]:
            return (
                name,
                "counter",
                words,
                [f'{name}{{{labels},{label}="{key}"}} {value}' for key, value in values.items()],
            )

        def histogram(name: str, words: str, values: Histogram) -> tuple[str, str, str, list[str]]:
            return name, "histogram", words, values.lines(name, labels)

        gauges = [
            (name, "gauge", words, [f"{name}{{{labels}}} {read():.15g}"]) for name, (words, read) in self.gauges.items()
        ]
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return [
            per("mlserve_requests_total", "Requests answered, by status code.", "code", self.codes),
            per(
                "mlserve_request_failures_total", "Inference requests that failed, by reason.", "reason", self.failures
            ),
            histogram("mlserve_request_seconds", "From the whole request read to its reply.", self.total),
            histogram("mlserve_queue_seconds", "Waiting for a slot.", self.queue),
            histogram("mlserve_compute_seconds", "In the processor, by call.", self.compute),
            histogram("mlserve_batch_size", "Rows that shared one call.", self.batches),
            *gauges,
            counter("nv_inference_request_success", "Inference requests answered with success.", self.succeeded, nv),
            counter("nv_inference_request_failure", "Inference requests that failed.", self.failed, nv),
            counter("nv_inference_count", "Rows inferred.", self.rows, nv),
            counter("nv_inference_exec_count", "Calls of the model.", self.runs, nv),
            counter("nv_inference_request_duration_us", "Cumulative request time.", self.total.total * 1e6, nv),
            counter("nv_inference_queue_duration_us", "Cumulative time in the queue.", self.queue.total * 1e6, nv),
            counter(
                "nv_inference_compute_infer_duration_us", "Cumulative time in the model.", self.compute.total * 1e6, nv
            ),
            counter("process_cpu_seconds_total", "User and system time.", usage.ru_utime + usage.ru_stime),
            (
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory.",
                [f"process_resident_memory_bytes{{{labels}}} {_resident()}"],
            ),
            (
                "process_start_time_seconds",
                "gauge",
                "When it started.",
                [f"process_start_time_seconds{{{labels}}} {self.started:.3f}"],
            ),
        ]


def _resident() -> int:
    statm = Path("/proc/self/statm")
    if not statm.exists():  # not Linux: the peak is the next best
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(statm.read_text().split()[1]) * resource.getpagesize()
