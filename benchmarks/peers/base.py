"""What a server that is measured says about itself: how it is put, started and asked."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.serving.models import Model

ONNXRUNTIME = "onnxruntime==1.31.1"
"""The same for everyone."""
Numbers = Sequence[float]


@dataclass(frozen=True)
class Request:
    """One HTTP request, and how to read the answer's numbers (those of the model's last output)."""

    path: str
    body: bytes
    numbers: Callable[[bytes, Mapping[str, str]], Numbers]
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True)
class Launch:
    """A program to start; it serves HTTP on ``port`` and, where it has it, gRPC on ``grpc_port``."""

    command: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    grpc_port: int | None = None
    clean: tuple[Path, ...] = ()
    """Folders of its own to remove after its end."""


class Peer(Protocol):
    """One server with one setting."""

    @property
    def name(self) -> str: ...

    @property
    def setting(self) -> str:
        """What was chosen for it, for the table's notes."""

    @property
    def requirements(self) -> tuple[str, ...]: ...

    @property
    def formats(self) -> tuple[str, ...]:
        """Of "json", "binary" and "grpc", those it takes."""

    @property
    def rests(self) -> bool:
        """It takes no CPU while it isn't asked, so that it can stand by while another is measured."""

    def launch(self, python: Path, model: Model, folder: Path, free_port: Callable[[], int]) -> Launch: ...

    def request(self, model: Model, kind: str) -> Request: ...


def v2_json(model: Model) -> Request:
    """The Open Inference Protocol in JSON."""
    tensor = {"name": model.input, "shape": model.shape, "datatype": "FP32", "data": model.data}
    return Request(f"/v2/models/{model.name}/infer", json.dumps({"inputs": [tensor]}).encode(), _from_v2)


def v2_binary(model: Model) -> Request:
    """The same with its binary tensors, both ways."""
    raw = struct.pack(f"<{len(model.data)}f", *model.data)
    size = {"binary_data_size": len(raw)}
    tensor = {"name": model.input, "shape": model.shape, "datatype": "FP32", "parameters": size}
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in model.outputs]
    head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return Request(f"/v2/models/{model.name}/infer", head + raw, _from_v2_binary, headers)


def own_json(path: str, model: Model, body: Any = None) -> Request:
    """A server's own JSON around the same numbers: rows in, ``{"outputs": [numbers]}`` out."""
    wanted = body if body is not None else {"inputs": nested(model.data, model.shape)}
    return Request(path, json.dumps(wanted).encode(), lambda answer, _: flat(json.loads(answer)["outputs"]))


def nested(data: Sequence[float], shape: Sequence[int]) -> Any:
    """Flat numbers as lists inside lists."""
    if len(shape) <= 1:
        return list(data)
    size = len(data) // shape[0]
    return [nested(data[number * size : (number + 1) * size], shape[1:]) for number in range(shape[0])]


def flat(value: Any) -> list[float]:
    """Lists inside lists as flat numbers."""
    return [number for part in value for number in flat(part)] if isinstance(value, list) else [float(value)]


def _from_v2(answer: bytes, _headers: Mapping[str, str]) -> Numbers:
    return flat(json.loads(answer)["outputs"][-1]["data"])


def _from_v2_binary(answer: bytes, headers: Mapping[str, str]) -> Numbers:
    length = int(headers["inference-header-content-length"])
    size = json.loads(answer[:length])["outputs"][-1]["parameters"]["binary_data_size"]
    return struct.unpack(f"<{size // 4}f", answer[len(answer) - size :])
