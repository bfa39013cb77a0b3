"""Which metrics an instance shows, under our names and under those the field knows."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlserve.runtime.observe.exposition import Family, Labels, one, per, text

if TYPE_CHECKING:
    from mlserve.runtime.metrics import Metrics

_NV_REASONS = {"queue-full": "REJECTED", "client-gone": "CANCELED", "processor": "BACKEND"}


def render(metrics: Metrics) -> str:
    """Everything, as Prometheus reads it."""
    version = ("version", str(metrics.version))
    ours: Labels = (("service", metrics.service), version)
    theirs: Labels = (("model", metrics.service), version)
    told = [family for more in list(metrics.families) for family in more()]
    own = [*_requests(metrics), *_stages(metrics), *_told(metrics), *told, *_process(metrics)]
    return text((f for f in own if not f.name.startswith("nv_")), ours) + text(
        (*(f for f in own if f.name.startswith("nv_")), *_nv(metrics)), theirs
    )


def _requests(metrics: Metrics) -> Iterator[Family]:
    yield Family(
        "mlserve_requests_total",
        "counter",
        "Requests answered, by status code and protocol.",
        {
            (("code", str(code)), ("protocol", protocol)): float(n)
            for (protocol, code), n in list(metrics.codes.items())
        },
    )
    words = "Inference requests that failed or were refused, by reason."
    yield per("mlserve_request_failures_total", "counter", words, "reason", dict(metrics.failures))


def _stages(metrics: Metrics) -> Iterator[Family]:
    yield one("mlserve_request_seconds", "histogram", "From the whole request read to its reply.", metrics.total)
    yield one("mlserve_queue_seconds", "histogram", "Waiting for a slot.", metrics.queue)
    yield one("mlserve_compute_seconds", "histogram", "In the processor, by call.", metrics.compute)
    yield one("mlserve_batch_size", "histogram", "Rows that shared one call.", metrics.batches())
    if metrics.first_part.count:
        words = "From a request whose answer streams to its first part."
        yield one("mlserve_first_part_seconds", "histogram", words, metrics.first_part)
    if metrics.steps:
        yield per("mlserve_step_seconds", "histogram", "In one step of the pipeline.", "step", dict(metrics.steps))


def _told(metrics: Metrics) -> Iterator[Family]:
    for kind, entries in (("gauge", metrics.gauges), ("counter", metrics.counters)):
        for name, (words, read) in list(entries.items()):
            yield one(name, kind, words, read())


def _nv(metrics: Metrics) -> Iterator[Family]:
    """The names that dashboards for Triton look for."""
    reasons: dict[str, float] = {}
    for reason, count in list(metrics.failures.items()):
        word = _NV_REASONS.get(reason, "OTHER")
        reasons[word] = reasons.get(word, 0) + count

    def counter(name: str, words: str, value: float) -> Family:
        return one(f"nv_inference_{name}", "counter", words, value)

    yield counter("request_success", "Inference requests answered with success.", metrics.succeeded)
    yield per("nv_inference_request_failure", "counter", "Inference requests that failed.", "reason", reasons)
    yield counter("count", "Rows inferred.", metrics.rows)
    yield counter("exec_count", "Calls of the model.", metrics.runs)
    yield counter("request_duration_us", "Cumulative request time.", metrics.total.total * 1e6)
    yield counter("queue_duration_us", "Cumulative time in the queue.", metrics.queue.total * 1e6)
    yield counter("compute_input_duration_us", "Cumulative time of reading requests.", metrics.input_seconds * 1e6)
    yield counter(
        "compute_infer_duration_us",
        "Cumulative time in the model, summed over the requests of each call.",
        metrics.infer_seconds * 1e6,
    )
    if metrics.first_part.count:
        words = "Until the first part of an answer that streams."
        yield one("nv_inference_first_response_histogram_ms", "histogram", words, metrics.first_part.times(1000))
    yield counter("compute_output_duration_us", "Cumulative time of writing answers.", metrics.output_seconds * 1e6)


def _process(metrics: Metrics) -> Iterator[Family]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield one("process_cpu_seconds_total", "counter", "User and system time.", usage.ru_utime + usage.ru_stime)
    yield one("process_resident_memory_bytes", "gauge", "Resident memory.", _resident())
    yield one("process_start_time_seconds", "gauge", "When it started.", metrics.started)


def _resident() -> int:
    statm = Path("/proc/self/statm")
    if not statm.exists():  # not Linux: the peak is the next best
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(statm.read_text().split()[1]) * resource.getpagesize()
