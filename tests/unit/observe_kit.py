"""What tests of watching share: a processor that watches itself, and waiting for what comes a moment later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime_kit import Running

PROCESSOR = """
from mlserve.runtime import Processor, current_trace

class Echo(Processor):
    def load(self, path, config):
        self.metrics.gauge("loaded", "1 once the model is there").set(1)

    def predict(self, inputs):
        self.metrics.counter("hits", "Requests seen", kind="text").inc()
        self.metrics.histogram("length").observe(len(inputs["x"]))
        trace = current_trace()
        return {"trace": trace.headers()["traceparent"] if trace else "none"}
"""
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def metrics_of(instance: Running) -> dict[str, float]:
    lines = instance.get("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def captured(folder: Path) -> list[dict[str, Any]]:
    """The records below ``captures``, in order."""
    files = sorted((folder / "captures").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def python(folder: Path, text: str) -> dict[str, Any]:
    (folder / "code").mkdir(parents=True, exist_ok=True)
    (folder / "code" / "app.py").write_text(text)
    return {"processor": "python", "processor_path": str(folder / "code"), "processor_entry": "app.py"}
