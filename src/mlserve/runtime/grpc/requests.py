"""A ModelInferRequest as arrays. Requests that differ in their tensors' bytes alone are checked once and then known."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from mlserve.errors import InvalidInput
from mlserve.runtime.grpc.status import NOT_FOUND, Refused
from mlserve.runtime.grpc.wire import Malformed, split
from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.v2_reply import ReplyWriter
from mlserve.runtime.protocols.v2_reply import Wishes as Wanted
from mlserve.runtime.protocols.wishes import wishes
from mlserve.runtime.tensors import DTYPES, Array, bad, check_shape, fits, reshaped

_ID, _RAW = 3, 7
_KNOWN = 256
_LONGEST_KNOWN = 4096
_EXPANDED = 12
"""A number of one byte in a message is twelve on its way to an array."""
_FINAL = "triton_enable_empty_final_response"
CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""The field of InferTensorContents that holds a datatype; FP16 has none."""


class _Input(NamedTuple):
    """What is known of one input before its bytes are looked at."""

    name: str
    tensor: Tensor
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    """``None``: text, which is read element by element."""
    size: int


class Head(NamedTuple):
    """All of a request but its id and its raw contents."""

    inputs: list[_Input]
    rows: int
    contents: dict[str, Array] | None
    """The tensors, where they are not raw."""
    wanted: Wanted
    wishes: dict[str, Any]
    final: bool
    """The client wants to be told which answer is the last."""


class InferRequest(NamedTuple):
    """A request, decoded and checked."""

    identity: str
    inputs: dict[str, Array]
    head: Head


class InferReader:
    """Reads requests for one model."""

    def __init__(self, model: Model, message: Any, writer: ReplyWriter) -> None:
        self._model, self._message, self._writer = model, message, writer
        self._signature = model.signature
        self._known: dict[bytes, Head] = {}

    def read(self, message: bytes | memoryview, known_as: str = "") -> InferRequest:
        """Raises InvalidInput, or Refused for another model; ``known_as``: what the caller may call this one, too."""
        try:
            rest, identity, raw = split(message, _ID, _RAW)
        except Malformed as exc:
            raise InvalidInput(f"the message is no ModelInferRequest: {exc}") from None
        head = self._known.get(rest)
        if head is None:
            head = self._head(rest, bool(raw), known_as)
            own = known_as in ("", self._model.service)
            if own and head.contents is None and len(rest) <= _LONGEST_KNOWN and len(self._known) < _KNOWN:
                self._known[rest] = head
        inputs = head.contents if head.contents is not None else _arrays(head.inputs, raw)
        return InferRequest(identity.decode("utf-8", "replace"), inputs, head)

    def _head(self, rest: bytes, raw: bool, known_as: str) -> Head:
        ALLOWANCE.check(
            len(rest) * _EXPANDED, f"the message of {len(rest) >> 20} MB", "send tensors in raw_input_contents"
        )
        try:
            request = self._message.FromString(rest)
        except DecodeError as exc:
            raise InvalidInput(f"the message is no ModelInferRequest: {exc}") from None
        name = self._model.service if known_as and request.model_name == known_as else request.model_name
        check_model(self._model, name, request.model_version)
        inputs = [self._input(item) for item in request.inputs]
        names = {item.name: item for item in inputs}
        if len(names) < len(inputs):
            twice = next(item for item in inputs if names[item.name] is not item)
            raise bad(twice.tensor, "the same input twice")
        self._signature.check_names(names)
        asked: dict[str, Any] = {"parameters": parameters(request.parameters)}
        final = asked["parameters"].pop(_FINAL, False) is True
        asked["outputs"] = [{"name": out.name, "parameters": parameters(out.parameters)} for out in request.outputs]
        rows = self._signature.count({item.name: _hollow(item) for item in inputs})
        contents = None
        if inputs and not raw:
            contents = {item.name: self._typed(item, given) for item, given in zip(inputs, request.inputs, strict=True)}
        return Head(inputs, rows, contents, self._writer.wishes(asked), wishes(asked), final)

    def _input(self, given: Any) -> _Input:
        tensor = self._signature.tensor(given.name)
        datatype, shape = given.datatype, tuple(given.shape)
        if datatype not in DTYPES:
            raise bad(tensor, f"datatype {datatype!r}, which is none of {', '.join(DTYPES)}")
        if tensor.datatype and tensor.datatype != datatype:
            raise bad(tensor, datatype)
        if any(size < 0 for size in shape):
            raise bad(tensor, f"shape {list(shape)}, which is no list of sizes")
        if not fits(shape, tensor):
            raise bad(tensor, f"shape {list(shape)}")
        if "shared_memory_region" in given.parameters:
            raise bad(tensor, "a shared memory region, which is not offered here: send the tensor itself")
        typed = tensor if tensor.datatype else Tensor(given.name, datatype, tensor.shape)
        dtype = None if datatype == "BYTES" else DTYPES[datatype].newbyteorder("<")
        return _Input(given.name, typed, shape, dtype, prod(shape) * (dtype.itemsize if dtype else 1))

    def _typed(self, item: _Input, given: Any) -> Array:
        tensor, field = item.tensor, CONTENTS.get(item.tensor.datatype)
        filled = [about.name for about, _ in given.contents.ListFields()]
        if field is None and filled:
            raise bad(tensor, f"{filled[0]}; send {tensor.datatype} in raw_input_contents")
        if field is not None and filled not in ([field], []):
            raise bad(tensor, f"{', '.join(filled)}; the values of {tensor.datatype} go into {field}")
        values = getattr(given.contents, field) if field is not None else ()
        if len(values) != prod(item.shape):
            raise bad(tensor, f"{len(values)} values for the shape {list(item.shape)}")
        array = reshaped(_filled(values, tensor), list(item.shape), tensor)
        check_shape(array, tensor)
        return array


def check_model(model: Model, name: str, version: str) -> None:
    """The name and version in a request are this instance's; raises Refused."""
    if name != model.service:
        raise Refused(NOT_FOUND, f'no model "{name}" here (model: {model.service})')
    if version not in ("", str(model.version)):
        raise Refused(NOT_FOUND, f'no version "{version}" of {name} here (version: {model.version})')


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain values."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        which = value.WhichOneof("parameter_choice")
        if which is None:
            raise InvalidInput(f'parameter "{name}" has no value')
        found[name] = getattr(value, which)
    return found


def _hollow(item: _Input) -> Array:
    """An array of the input's shape, without its bytes."""
    try:
        return np.broadcast_to(np.uint8(0), item.shape)
    except (ValueError, OverflowError) as exc:
        raise bad(item.tensor, f"shape {str(list(item.shape))[:60]}, which can't be: {exc}") from None


def _arrays(inputs: list[_Input], raw: list[memoryview]) -> dict[str, Array]:
    if len(raw) != len(inputs):
        raise InvalidInput(f"raw_input_contents has {len(raw)} tensors, and {len(inputs)} inputs are described")
    found: dict[str, Array] = {}
    for (name, tensor, shape, dtype, size), content in zip(inputs, raw, strict=True):
        if dtype is not None and len(content) == size:
            found[name] = np.frombuffer(content, dtype).reshape(shape)
        else:
            found[name] = binary.read(content, len(content), tensor, list(shape))
    return found


def _filled(values: Any, tensor: Tensor) -> Array:
    if tensor.datatype == "BYTES":
        array = np.empty(len(values), dtype=np.object_)
        array[:] = [binary.text(value) for value in values]
        return array
    dtype = DTYPES[tensor.datatype]
    array = np.array(values, dtype=np.int64 if dtype.kind in "iu" and dtype.itemsize < 8 else dtype)
    if array.dtype != dtype:
        info = np.iinfo(dtype)
        if array.size and (array.min() < info.min or array.max() > info.max):
            raise bad(tensor, f"a number outside {info.min}…{info.max}")
        array = array.astype(dtype)
    return array
