"""The Open Inference Protocol (V2) over HTTP: ask the model, and ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Call, Model, simple_error
from mlserve.runtime.protocols.v2_reply import ReplyWriter
from mlserve.runtime.protocols.v2_request import RequestReader
from mlserve.runtime.protocols.wishes import wishes
from mlserve.runtime.request import Request


class V2:
    """``/v2/models/NAME``; the model's name is the service's."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._signature = model.signature
        self._reader = RequestReader(model.signature)
        self._writer = ReplyWriter(model)

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {f"{base}/infer": self.decode for base in v2_bases(self._model)}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return dict.fromkeys(v2_bases(self._model), self.metadata)

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def metadata(self) -> Any:
        about = self._signature.metadata
        return {
            "name": self._model.service,
            "versions": [str(self._model.version)],
            "platform": about.platform,
            "inputs": [_described(tensor) for tensor in about.inputs],
            "outputs": [_described(tensor) for tensor in about.outputs],
        }

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def decode(self, request: Request) -> Call:
        asked, inputs = self._reader.read(request)
        encode = partial(self._writer.write, self._writer.wishes(asked))
        rows = self._signature.count(inputs)
        if "parameters" in asked or "id" in asked:
            return Call(inputs, rows, encode, **wishes(asked))
        return Call(inputs, rows, encode)


def v2_bases(model: Model) -> tuple[str, str]:
    """The model's paths: without its version, and with it."""
    base = f"/v2/models/{model.service}"
    return base, f"{base}/versions/{model.version}"


def _described(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype or "BYTES",
        "shape": [-1] if tensor.shape is None else list(tensor.shape),
    }
