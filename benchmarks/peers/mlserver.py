"""Seldon's MLServer, in one process with its adaptive batching.

Its default of parallel workers does not start with uvloop 0.22 and later (SeldonIO/MLServer issue 2286), hence 0.21.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, v2_json
from benchmarks.serving.models import Model

SERVED = Path(__file__).parent / "served"


class MLServer:
    name = "MLServer"
    setting = "MLServer: no parallel workers, batches of 64 within 2 ms, uvloop 0.21"
    requirements = ("mlserver==1.7.1", "uvloop==0.21.0", ONNXRUNTIME)
    formats = ("json",)
    rests = True

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        ports = [free_port() for _ in range(3)]
        named = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
        settings = {**named, "host": "127.0.0.1", "parallel_workers": 0, "debug": False}
        batching = {"max_batch_size": 64, "max_batch_time": 0.002}
        served = {"name": model.name, "implementation": "mlserver_model.OnnxModel", **batching}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(served))
        environment = {"BENCH_MODEL": str(model.path), "PYTHONPATH": str(SERVED)}
        return Launch((str(python.with_name("mlserver")), "start", str(folder)), ports[0], environment)

    def request(self, model: Model, kind: str) -> Request:
        return v2_json(model)


def peers() -> tuple[Peer, ...]:
    return (MLServer(),)
