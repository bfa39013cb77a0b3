"""The Open Inference Protocol (V2) over HTTP, with the binary tensor extension both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import prod
from typing import Any, TypeGuard

from mlserve.errors import InvalidInput
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary
from mlserve.runtime.protocols.base import (
    JSON,
    Call,
    Model,
    Reply,
    check_object,
    dump_json,
    parse_json,
    simple_error,
    texts,
)
from mlserve.runtime.request import Request
from mlserve.runtime.tensors import DTYPES, Array, BadTensor, bad, check_shape, datatype_of, reshaped

_LENGTH = b"inference-header-content-length"


class V2:
    """``/v2/models/NAME``; the model's name is the service's."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._signature = model.signature
        self._outputs = {tensor.name: tensor for tensor in model.signature.metadata.outputs}
        self._about = {"model_name": model.service, "model_version": str(model.version)}

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {f"{base}/infer": self.decode for base in self._bases()}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return dict.fromkeys(self._bases(), self.metadata)

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
        raw: bytes | memoryview = b""
        length = request.headers.get(_LENGTH)
        if length is None:
            asked = parse_json(request.body)
        else:
            size = binary.header_length(length, request.body)
            if size == 0:
                return self._raw(request.body)
            asked, raw = parse_json(request.body[:size]), memoryview(request.body)[size:]
        return self._call(check_object(asked, "an object with a list of inputs"), raw)

    def _call(self, asked: dict[str, Any], raw: bytes | memoryview) -> Call:
        listed = asked.get("inputs")
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise InvalidInput('"inputs" wants a list of objects with name, shape, datatype and data')
        inputs: dict[str, Array] = {}
        start = 0
        for item in listed:
            name, array, start = self._input(item, raw, start)
            if name in inputs:
                raise bad(self._signature.tensor(name), "the same input twice")
            inputs[name] = array
        if start != len(raw):
            raise InvalidInput(
                f"{len(raw) - start} bytes are left after the last binary tensor; check binary_data_size"
            )
        self._signature.check_names(inputs)
        return Call(inputs, self._signature.count(inputs), partial(self._encode, self._wishes(asked)))

    def _input(self, item: dict[str, Any], raw: bytes | memoryview, start: int) -> tuple[str, Array, int]:
        name, shape, datatype = item.get("name"), item.get("shape"), item.get("datatype")
        if not isinstance(name, str):
            raise InvalidInput("an input has no name")
        tensor = self._signature.tensor(name)
        if not isinstance(datatype, str) or datatype not in DTYPES:
            raise bad(tensor, f"datatype {datatype!r}, which is none of {', '.join(DTYPES)}")
        if not _is_shape(shape):
            raise bad(tensor, f"shape {shape!r}, which is no list of sizes")
        if tensor.datatype and tensor.datatype != datatype:
            raise bad(tensor, datatype)
        typed = tensor if tensor.datatype else Tensor(name, datatype, tensor.shape)
        parameters = item.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is not None:
            array = binary.read(
                raw[start : start + size] if isinstance(size, int) and size >= 0 else b"", size, typed, shape
            )
            start += size
        elif "data" in item:
            array = _shaped(from_json(item["data"], typed), typed, shape)
        else:
            raise bad(tensor, "neither data nor binary_data_size")
        check_shape(array, tensor)
        return name, array, start

    def _raw(self, body: bytes) -> Call:
        """A body that is nothing but the one input; answered in binary."""
        inputs = self._signature.metadata.inputs
        if len(inputs) != 1 or inputs[0].shape is None or not inputs[0].datatype:
            raise InvalidInput(
                "a raw body needs a model with one input of declared datatype; send a JSON header with the inputs"
            )
        tensor = inputs[0]
        arrays = {tensor.name: binary.read_raw(body, tensor)}
        return Call(arrays, self._signature.count(arrays), partial(self._encode, Wishes(None, None, True)))

    def _wishes(self, asked: dict[str, Any]) -> Wishes:
        parameters, outputs = asked.get("parameters"), asked.get("outputs")
        everything = bool(isinstance(parameters, dict) and parameters.get("binary_data_output"))
        if not outputs:
            return Wishes(asked.get("id"), None, everything)
        if not isinstance(outputs, list) or not all(
            isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs
        ):
            raise InvalidInput('"outputs" wants a list of objects with a name')
        chosen: dict[str, bool] = {}
        for output in outputs:
            name, more = output["name"], output.get("parameters") or {}
            if self._outputs and name not in self._outputs:
                raise self._no_output(name, self._outputs)
            if not isinstance(more, dict):
                raise InvalidInput(f'output "{name}": "parameters" wants an object; came {more!r}')
            if "classification" in more:
                raise InvalidInput(f'output "{name}": classification is not supported here; ask for the output itself')
            chosen[name] = bool(more.get("binary_data", everything))
        return Wishes(asked.get("id"), chosen, everything)

    def _encode(self, wishes: Wishes, outputs: Mapping[str, Array]) -> Reply:
        listed: list[dict[str, Any]] = []
        blobs: list[bytes] = []
        for name in wishes.chosen or outputs:
            if name not in outputs:
                raise self._no_output(name, outputs)
            array = outputs[name]
            entry: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
            if wishes.chosen[name] if wishes.chosen else wishes.binary:
                blob = binary.write(array)
                entry["parameters"] = {"binary_data_size": len(blob)}
                blobs.append(blob)
            else:
                entry["data"] = texts(array.ravel()) if array.dtype.kind in "OUS" else array.ravel()
            listed.append(entry)
        answer = (
            {**self._about, "outputs": listed}
            if wishes.id is None
            else {**self._about, "id": wishes.id, "outputs": listed}
        )
        text = dump_json(answer)
        if not blobs:
            return text, JSON, b""
        return (
            b"".join((text, *blobs)),
            b"application/octet-stream",
            b"inference-header-content-length: %d\r\n" % len(text),
        )

    def _no_output(self, name: str, known: Iterable[str]) -> BadTensor:
        names = ", ".join(known)
        return BadTensor(f'no output "{name}" (outputs: {names})', name=name, wanted=names, came=name)

    def _bases(self) -> tuple[str, str]:
        base = f"/v2/models/{self._model.service}"
        return base, f"{base}/versions/{self._model.version}"


class Wishes:
    """What the client wants back: the id echoed, which outputs, which of them in binary."""

    __slots__ = ("binary", "chosen", "id")

    def __init__(self, identity: Any, chosen: dict[str, bool] | None, binary_output: bool) -> None:
        self.id = identity
        self.chosen = chosen
        self.binary = binary_output


def _is_shape(shape: Any) -> TypeGuard[list[int]]:
    if not isinstance(shape, list):
        return False
    for size in shape:  # noqa: SIM110 - a plain loop, for this runs for every request
        if type(size) is not int or size < 0:
            return False
    return True


def _shaped(array: Array, tensor: Tensor, shape: list[int]) -> Array:
    if array.shape == tuple(shape):
        return array
    if array.ndim == 1 and array.size == prod(shape):
        return reshaped(array, shape, tensor)
    raise bad(tensor, f"{array.size} values in data of shape {list(array.shape)} for the shape {shape}")


def _described(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype or "BYTES",
        "shape": [-1] if tensor.shape is None else list(tensor.shape),
    }
