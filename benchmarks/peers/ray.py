"""Ray Serve, with its defaults.

Its processes watch one another, which takes CPU all the time, and leave the program's group.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, own_json
from benchmarks.serving.models import Model

SERVED = Path(__file__).parent / "served"


class Ray:
    name = "Ray Serve"
    setting = "Ray Serve: defaults, one replica, no dashboard"
    requirements = ("ray[serve]==2.60.0", ONNXRUNTIME, "numpy")
    formats = ("json",)
    rests = False

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        port = free_port()
        short = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # its sockets' names may have 107 characters in all
        environment = {
            "BENCH_MODEL": str(model.path),
            "PYTHONPATH": str(SERVED),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        command = (str(python), str(SERVED / "ray_app.py"), str(port), short)
        return Launch(command, port, environment, clean=(Path(short),))

    def request(self, model: Model, kind: str) -> Request:
        return own_json("/", model)


def peers() -> tuple[Peer, ...]:
    return (Ray(),)
