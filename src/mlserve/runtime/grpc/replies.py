"""Outputs as a ModelInferResponse: what is the same in every answer is written once, tensors are never copied twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.runtime.grpc import wire
from mlserve.runtime.grpc.requests import CONTENTS, InferRequest
from mlserve.runtime.pipeline import timing
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.classification import classified
from mlserve.runtime.protocols.v2_reply import no_output
from mlserve.runtime.tensors import Array, datatype_of

_NAME, _VERSION, _ID, _PARAMETERS, _OUTPUTS, _RAW = range(1, 7)
_KNOWN = 1024
FINAL = "triton_final_response"


class InferWriter:
    """Writes answers of one model."""

    def __init__(self, model: Model, messages: Mapping[str, Any]) -> None:
        outputs = model.signature.metadata.outputs
        self._outputs: dict[str, Tensor] = {tensor.name: tensor for tensor in outputs}
        version = str(model.version).encode()
        self._about = wire.field(_NAME, model.service.encode()) + wire.field(_VERSION, version)
        self._response, self._parameter = messages["ModelInferResponse"], messages["InferParameter"]
        self._heads: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
        self._last = {final: self._final(final) for final in (True, False)}

    def write(
        self, request: InferRequest, outputs: Mapping[str, Array], final: bool | None = None
    ) -> tuple[list[bytes], int]:
        """The message in parts, and its size. ``final``: say whether it is the last of a stream."""
        chosen = request.head.wanted.chosen
        named = {name: self._output(request, name, outputs) for name in chosen or outputs}
        parts = [self._about, wire.field(_ID, request.identity.encode()) if request.identity else b""]
        if final is not None:
            parts.append(self._last[final])
        if request.head.wanted.timed:
            parts.append(self._timed(outputs))
        if request.head.contents is not None and all(datatype_of(array) in CONTENTS for array in named.values()):
            parts.append(self._typed(named))
        else:
            parts += [self._head(name, array) for name, array in named.items()]
            for array in named.values():
                content = binary.write(array)
                parts += [wire.head(_RAW, len(content)), content]
        return parts, sum(map(len, parts))

    def empty(self, identity: str, final: bool = True) -> bytes:
        """An answer without outputs: the end of a stream, or what goes with an error."""
        known = wire.field(_ID, identity.encode()) if identity else b""
        return self._about + known + (self._last[True] if final else b"")

    def _output(self, request: InferRequest, name: str, outputs: Mapping[str, Array]) -> Array:
        if name not in outputs:
            raise no_output(name, outputs)
        array, chosen = outputs[name], request.head.wanted.chosen
        classes = chosen[name].classes if chosen else 0
        if not classes:
            return array
        tensor = self._outputs.get(name)
        return classified(name, array, classes, tensor.labels if tensor else None)

    def _head(self, name: str, array: Array) -> bytes:
        """The description of an output whose bytes are elsewhere."""
        key = name, datatype_of(array), array.shape
        known = self._heads.get(key)
        if known is None:
            output = self._response.InferOutputTensor(name=name, datatype=key[1], shape=array.shape)
            known = wire.field(_OUTPUTS, output.SerializeToString())
            if len(self._heads) < _KNOWN:
                self._heads[key] = known
        return known

    def _typed(self, named: Mapping[str, Array]) -> bytes:
        """Outputs as values in their datatype's field, as the request had its inputs."""
        response = self._response()
        for name, array in named.items():
            datatype = datatype_of(array)
            output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
            values = array.ravel().tolist()
            if datatype == "BYTES":
                values = [item if isinstance(item, bytes) else str(item).encode() for item in values]
            getattr(output.contents, CONTENTS[datatype]).extend(values)
        written: bytes = response.SerializeToString()
        return written

    def _timed(self, outputs: Mapping[str, Array]) -> bytes:
        """What each step of a pipeline took, as parameters."""
        response = self._response()
        for name, milliseconds in timing.parameters(outputs).items():
            response.parameters[name].double_param = milliseconds
        written: bytes = response.SerializeToString()
        return written

    def _final(self, final: bool) -> bytes:
        response = self._response()
        response.parameters[FINAL].bool_param = final
        written: bytes = response.SerializeToString()
        return written
