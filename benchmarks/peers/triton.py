"""NVIDIA Triton, the native server, with its Python backend around ONNX Runtime.

The binaries come from the nvidia-pytriton wheel: it is the one way to have them without a container image.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.base import ONNXRUNTIME, Launch, Peer, Request, v2_binary, v2_json
from benchmarks.serving.models import Model

SERVED = Path(__file__).parent / "served" / "triton_model.py"


class Triton:
    """Dynamic batching without delay; ``instances`` processes of the model, one ONNX Runtime thread each."""

    requirements = ("nvidia-pytriton==0.7.0", ONNXRUNTIME, "grpcio")
    formats = ("json", "binary", "grpc")
    rests = True

    def __init__(self, instances: int) -> None:
        self.name = f"Triton ×{instances}"
        self.setting = f"Triton: Python backend, dynamic batching without delay, {instances} instance(s)"
        self._instances = instances

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch:
        packages = Path(next((python.parent.parent / "lib").glob("python3.*"))) / "site-packages"
        server = packages / "pytriton" / "tritonserver"
        repository = _repository(folder / "repository", model, self._instances)
        backends = _backends(folder / "backends", server, python)
        port, grpc_port = free_port(), free_port()
        libraries = [packages / "nvidia_pytriton.libs", Path(str(sysconfig.get_config_var("LIBDIR")))]
        return Launch(
            command=(
                str(server / "bin" / "tritonserver"),
                f"--model-repository={repository}",
                f"--backend-directory={backends}",
                f"--http-port={port}",
                f"--grpc-port={grpc_port}",
                "--http-address=127.0.0.1",
                "--grpc-address=127.0.0.1",
                "--allow-metrics=false",
                "--log-verbose=0",
            ),
            port=port,
            grpc_port=grpc_port,
            environment={
                "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
                "PYTHONPATH": str(packages),
                "PATH": f"{python.parent}:{os.environ['PATH']}",
            },
        )

    def request(self, model: Model, kind: str) -> Request:
        return v2_binary(model) if kind == "binary" else v2_json(model)


def _repository(folder: Path, model: Model, instances: int) -> Path:
    version = folder / model.name / "1"
    version.mkdir(parents=True)
    shutil.copy(SERVED, version / "model.py")
    shutil.copy(model.path, version / "model.onnx")
    outputs = ", ".join(
        f'{{ name: "{name}" data_type: {"TYPE_INT64" if kind == "int64" else "TYPE_FP32"} {_dims(size)} }}'
        for name, (kind, size) in model.kinds().items()
    )
    shape = ", ".join(map(str, model.shape[1:]))
    (folder / model.name / "config.pbtxt").write_text(f"""
name: "{model.name}"
backend: "python"
max_batch_size: 64
dynamic_batching {{ }}
input [ {{ name: "{model.input}" data_type: TYPE_FP32 dims: [ {shape} ] }} ]
output [ {outputs} ]
instance_group [ {{ count: {instances} kind: KIND_CPU }} ]
""")
    return folder


def _dims(size: int) -> str:
    return f"dims: [ {size} ]" if size > 1 else "dims: [ 1 ] reshape: { shape: [ ] }"  # a label for each row, no axis


def _backends(folder: Path, server: Path, python: Path) -> Path:
    """The wheel's backend folder with the stub for this interpreter beside it, as the wheel itself arranges it."""
    shutil.copytree(server / "backends", folder)
    version = next((python.parent.parent / "lib").glob("python3.*")).name.removeprefix("python")
    shutil.copy(server / "python_backend_stubs" / version / "triton_python_backend_stub", folder / "python")
    return folder


def peers() -> tuple[Peer, ...]:
    return (Triton(1), Triton(2))
