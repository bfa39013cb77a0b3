"""POST bodies that a processor reads itself, of any type and on any path: written for EAS, for KServe, or in C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.protocols.base import Call, Model, Reply, dump_json
from mlserve.runtime.raw_bodies import REPLY, STATUS, boxed, kind_of
from mlserve.runtime.tensors import Array

_PATHS = ("/", "/eval", "/v1/models/{name}:predict", "/v1/models/{name}/versions/{version}:predict")


class RawCall(Call):
    """Its status is what the processor said; known once it is encoded."""

    __slots__ = ("status",)

    def __init__(self, body: bytes, about: Mapping[str, Any]) -> None:
        super().__init__(dict(boxed(body)), 1, self._encode, parameters=about)
        self.status = 200

    def _encode(self, outputs: Mapping[str, Array]) -> Reply:
        self.status = int(outputs[STATUS].item())
        body: bytes = outputs[REPLY].item()
        return body, kind_of(body), b""


class Raw:
    """The paths in the metadata's ``raw``; ``"*"`` means all that no other protocol has."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._asked = model.signature.metadata.raw
        self.everywhere = "*" in self._asked

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        asked = _PATHS if self.everywhere else self._asked
        names = {"name": self._model.service, "version": self._model.version}
        return {path.format(**names): self.decode for path in asked}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return {}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def decode(self, request: Request) -> Call:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
        return RawCall(request.body, {"path": request.path, "headers": headers})

    def error(self, error: InvalidInput) -> bytes:
        return dump_json({"error": error.message, "code": error.code})
