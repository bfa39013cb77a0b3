"""KServe: a model class served by its SDK in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, v2_json
from benchmarks.serving.models import Model

SERVED = Path(__file__).parent / "served" / "kserve_server.py"


class KServe:
    name = "KServe"
    setting = "KServe: SDK, one process, async predict"
    requirements = ("kserve==0.21.0", ONNXRUNTIME)
    formats = ("json",)
    rests = True

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        port = free_port()
        command = (str(python), str(SERVED), "--http_port", str(port), "--model_name", model.name)
        return Launch(command, port, {"BENCH_MODEL": str(model.path), "BENCH_NAME": model.name})

    def request(self, model: Model, kind: str) -> Request:
        return v2_json(model)


def peers() -> tuple[Peer, ...]:
    return (KServe(),)
