"""EAS's own requests: PredictRequest of its TensorFlow and PyTorch services, sent as bytes to ``/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from mlserve.errors import InvalidInput
from mlserve.runtime import protobuf
from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.protocols import eas_arrays
from mlserve.runtime.protocols.base import Call, Model, Reply
from mlserve.runtime.protocols.v2_reply import no_output
from mlserve.runtime.tensors import Array

_EXPANDED = 8
"""What a number of one byte takes on its way to an array."""
_KIND = b"application/octet-stream"
_LARGE = 64 << 10
"""Bytes of a body whose values are read beside the event loop."""


class EasProtobuf:
    """Reads the requests of one model, and writes its answers."""

    def __init__(self, model: Model) -> None:
        self._signature = model.signature
        self._messages = _messages()

    def call(self, body: bytes, *, sure: bool = True) -> Call | None:
        """The request in a body. One that is none is refused, or ``None`` where it need not be one (not ``sure``)."""
        if ALLOWANCE.most and len(body) * _EXPANDED > ALLOWANCE.most and not sure:
            return None  # then it is the bytes of a tensor, which cost no more than that
        ALLOWANCE.check(len(body) * _EXPANDED, f"the protobuf of {len(body) >> 20} MB")
        tensorflow = self._parsed("TensorflowRequest", body)
        if tensorflow is not None and tensorflow.inputs and all(map(eas_arrays.known, tensorflow.inputs.values())):
            return self._tensorflow(tensorflow, len(body))
        torch = self._parsed("TorchRequest", body)
        given = [*torch.inputs, *torch.map_inputs.values()] if torch is not None else []
        if torch is not None and given and all(map(eas_arrays.known, given)):
            return self._torch(torch, len(body))
        if (
            tensorflow is not None
            and tensorflow.inputs
            and (sure or set(tensorflow.inputs) <= set(self._signature.inputs))
        ):
            return self._tensorflow(tensorflow, len(body))
        if not sure:
            return None
        raise InvalidInput("the body is no PredictRequest of EAS, for TensorFlow or PyTorch, with inputs in it")

    def _tensorflow(self, asked: Any, size: int) -> Call:
        served = (self._signature.metadata.facts or {}).get("signature")
        if asked.signature_name and served and asked.signature_name != served:
            raise InvalidInput(f'no signature "{asked.signature_name}" here (signature: {served})')
        chosen = tuple(asked.output_filter)
        outputs = [tensor.name for tensor in self._signature.metadata.outputs]
        for name in chosen:
            if outputs and name not in outputs:
                raise no_output(name, outputs)
        return self._made(asked.inputs, partial(self._write_tensorflow, chosen), size)

    def _torch(self, asked: Any, size: int) -> Call:
        if asked.map_inputs:
            return self._made(asked.map_inputs, self._write_named, size)
        tensors = self._signature.metadata.inputs
        if self._signature.metadata.open and not tensors:
            raise InvalidInput("this model does not say the order of its inputs; send them by name (map_inputs)")
        if len(asked.inputs) > len(tensors):
            raise InvalidInput(f"{len(asked.inputs)} inputs came, and the model has {len(tensors)}")
        inputs = {tensor.name: given for tensor, given in zip(tensors, asked.inputs, strict=False)}
        return self._made(inputs, partial(self._write_numbered, tuple(asked.output_filter)), size)

    def _made(self, given: Mapping[str, Any], encode: Callable[[Mapping[str, Array]], Reply], size: int) -> Call:
        call = Call({}, 1, encode)
        fill = partial(self._fill, call, given)
        if size > _LARGE:
            call.prepare, call.slow = fill, True
        else:
            fill()
        return call

    def _fill(self, call: Call, given: Mapping[str, Any]) -> None:
        self._signature.check_names(given)
        call.inputs = {name: eas_arrays.read(array, self._signature.tensor(name)) for name, array in given.items()}
        call.rows = self._signature.count(call.inputs)

    def _write_tensorflow(self, chosen: tuple[str, ...], outputs: Mapping[str, Array]) -> Reply:
        response = self._messages["TensorflowResponse"]()
        for name in chosen or outputs:
            if name not in outputs:
                raise no_output(name, outputs)
            eas_arrays.write(outputs[name], response.outputs[name])
        return response.SerializeToString(), _KIND, b""

    def _write_named(self, outputs: Mapping[str, Array]) -> Reply:
        response = self._messages["TorchResponse"]()
        for name, array in outputs.items():
            eas_arrays.write(array, response.map_outputs[name])
        return response.SerializeToString(), _KIND, b""

    def _write_numbered(self, chosen: tuple[int, ...], outputs: Mapping[str, Array]) -> Reply:
        """In the model's order. One that is not chosen keeps its place and is empty, so that numbers stay the same."""
        response, arrays = self._messages["TorchResponse"](), [*outputs.values()]
        for index in chosen:
            if not 0 <= index < len(arrays):
                raise InvalidInput(f"no output {index} (outputs: 0 to {len(arrays) - 1})")
        for index, array in enumerate(arrays):
            into = response.outputs.add()
            if not chosen or index in chosen:
                eas_arrays.write(array, into)
        return response.SerializeToString(), _KIND, b""

    def _parsed(self, name: str, body: bytes) -> Any:
        try:
            return self._messages[name].FromString(body)
        except DecodeError:
            return None


@cache
def _messages() -> Mapping[str, Any]:
    return protobuf.load(Path(__file__).with_name("eas.proto")).messages
