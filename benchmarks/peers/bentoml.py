"""BentoML, with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, own_json
from benchmarks.serving.models import Model

SERVED = Path(__file__).parent / "served"


class BentoML:
    name = "BentoML"
    setting = "BentoML: defaults, one worker"
    requirements = ("bentoml==1.4.39", ONNXRUNTIME, "numpy")
    formats = ("json",)
    rests = True

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        port = free_port()
        command = (str(python.with_name("bentoml")), "serve", "bento_service:OnnxModel", "--working-dir", str(SERVED))
        environment = {
            "BENCH_MODEL": str(model.path),
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "1",
            "PYTHONPATH": str(SERVED),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return Launch((*command, "--host", "127.0.0.1", "--port", str(port)), port, environment)

    def request(self, model: Model, kind: str) -> Request:
        return own_json("/predict", model)


def peers() -> tuple[Peer, ...]:
    return (BentoML(),)
