"""The Open Inference Protocol's request: a JSON body, one with binary tensors behind it, or a raw tensor."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, TypeGuard

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary
from mlserve.runtime.protocols.base import check_object, parse_json, parse_tensors
from mlserve.runtime.protocols.small import SmallTensors
from mlserve.runtime.signature import Signature
from mlserve.runtime.tensors import DTYPES, Array, bad, check_shape, reshaped

LENGTH = b"inference-header-content-length"
_WANTED = '"inputs" wants a list of objects with name, shape, datatype and data'
RAW: dict[str, Any] = {"parameters": {"binary_data_output": True}}
"""What a raw body asks for: it has no header to say it in."""


class RequestReader:
    """Reads requests for one model."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._small = SmallTensors(signature.metadata.inputs)

    def read(self, request: Request) -> tuple[dict[str, Any], dict[str, Array]]:
        """The JSON header and the inputs, checked."""
        length = request.headers.get(LENGTH)
        if length is None:
            asked = check_object(parse_tensors(request.body), "an object with a list of inputs")
            return asked, self._inputs(asked, b"")
        size = binary.header_length(length, request.body)
        if size == 0:
            return RAW, self._raw(request.body)
        asked = check_object(parse_json(request.body[:size]), "an object with a list of inputs")
        return asked, self._inputs(asked, memoryview(request.body)[size:])

    def _inputs(self, asked: dict[str, Any], raw: bytes | memoryview) -> dict[str, Array]:
        listed = asked.get("inputs")
        if not isinstance(listed, list):
            raise InvalidInput(_WANTED)
        inputs: dict[str, Array] = {}
        array: Array | None
        start = 0
        for item in listed:
            if type(item) is not dict:
                raise InvalidInput(_WANTED)
            if (array := self._small.read(item)) is not None:
                name = item["name"]
            else:
                name, array, start = self._input(item, raw, start)
            if name in inputs:
                raise bad(self._signature.tensor(name), "the same input twice")
            inputs[name] = array
        if start != len(raw):
            raise InvalidInput(
                f"{len(raw) - start} bytes are left after the last binary tensor; check binary_data_size"
            )
        self._signature.check_names(inputs)
        return inputs

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
            part = raw[start : start + size] if isinstance(size, int) and size >= 0 else b""
            array = binary.read(part, size, typed, shape)
            start += size
        elif "data" in item:
            array = _shaped(from_json(item["data"], typed), typed, shape)
        else:
            raise bad(tensor, _nothing(parameters))
        check_shape(array, tensor)
        return name, array, start

    def _raw(self, body: bytes) -> dict[str, Array]:
        """A body that is nothing but the one input."""
        inputs = self._signature.metadata.inputs
        if len(inputs) != 1 or inputs[0].shape is None or not inputs[0].datatype:
            raise InvalidInput(
                "a raw body needs a model with one input of declared datatype; send a JSON header with the inputs"
            )
        return {inputs[0].name: binary.read_raw(body, inputs[0])}


def _nothing(parameters: Any) -> str:
    if isinstance(parameters, Mapping) and "shared_memory_region" in parameters:
        return "a shared memory region, which is not offered here: send data or binary_data_size"
    return "neither data nor binary_data_size"


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
    if array.size == prod(shape) and (array.ndim == 1 or array.size == 0):
        return reshaped(array, shape, tensor)
    raise bad(tensor, f"{array.size} values in data of shape {list(array.shape)} for the shape {shape}")
