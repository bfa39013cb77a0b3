"""Our runtime, asked at the instance itself, as the others are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, v2_binary, v2_json
from benchmarks.serving.models import Model
from mlserve.engines.runtime import BASE_REQUIREMENTS

SOURCE = Path(__file__).parents[2] / "src"


class Ours:
    name = "mlserve"
    setting = "mlserve: defaults; threads, batch size and inline or not as its warm-up chose"
    requirements: tuple[str, ...] = (*BASE_REQUIREMENTS, ONNXRUNTIME)
    formats = ("json", "binary", "grpc")
    rests = True

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        port = free_port()
        specification = {
            "service": model.name,
            "processor": "onnx",
            "model_path": str(model.path),
            "cpu": os.cpu_count(),
            "host": "127.0.0.1",
        }
        environment = {
            "PYTHONPATH": str(SOURCE),
            "PORT": str(port),
            "MLSERVE_RUNTIME": json.dumps(specification),
        }
        return Launch((str(python), "-m", "mlserve.runtime"), port, environment, grpc_port=port)

    def request(self, model: Model, kind: str) -> Request:
        return v2_binary(model) if kind == "binary" else v2_json(model)


def peers() -> tuple[Peer, ...]:
    return (Ours(),)
