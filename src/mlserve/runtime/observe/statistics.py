"""What one model has done, in the words of the Open Inference Protocol's statistics extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserve.runtime.metrics import Metrics


def statistics(metrics: Metrics) -> dict[str, Any]:
    """One entry of ``model_stats``; counts and nanoseconds since the start."""
    succeeded, total = metrics.succeeded, metrics.total.total
    none = _duration(0, 0.0)
    return {
        "name": metrics.service,
        "version": str(metrics.version),
        "last_inference": round(metrics.last * 1000),
        "inference_count": metrics.rows,
        "execution_count": metrics.runs,
        "inference_stats": {
            "success": _duration(succeeded, total),
            "fail": _duration(metrics.failed, metrics.failed_seconds),
            "queue": _duration(metrics.queue.count, metrics.queue.total),
            "compute_input": _duration(succeeded, metrics.input_seconds),
            "compute_infer": _duration(metrics.computed, metrics.infer_seconds),
            "compute_output": _duration(succeeded, metrics.output_seconds),
            "cache_hit": none,
            "cache_miss": none,
        },
        "response_stats": {},
        "batch_stats": [
            {
                "batch_size": rows,
                "compute_input": none,
                "compute_infer": _duration(int(count), seconds),
                "compute_output": none,
            }
            for rows, (count, seconds) in sorted(metrics.sizes.items())
        ],
        "memory_usage": [],
    }


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * 1e9)}
