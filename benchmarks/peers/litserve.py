"""Lightning's LitServe, with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, own_json
from benchmarks.serving.models import Model

SERVED = Path(__file__).parent / "served" / "litserve_server.py"


class LitServe:
    name = "LitServe"
    setting = "LitServe: defaults, one worker"
    requirements = ("litserve==0.2.19", ONNXRUNTIME, "numpy")
    formats = ("json",)
    rests = True

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        port = free_port()
        return Launch((str(python), str(SERVED), str(port)), port, {"BENCH_MODEL": str(model.path)})

    def request(self, model: Model, kind: str) -> Request:
        return own_json("/predict", model)


def peers() -> tuple[Peer, ...]:
    return (LitServe(),)
