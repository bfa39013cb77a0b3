"""POST / and /eval: tensors by input name, a batch or one row; GET /describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import multipart
from mlserve.runtime.protocols.base import (
    JSON,
    Call,
    Model,
    Reply,
    UnsupportedMedia,
    check_object,
    content_type,
    dump_json,
    jsonable,
    parse_json,
)
from mlserve.runtime.request import Request
from mlserve.runtime.tensors import Array, bad, fits, type_word

ACCEPTED = "application/json (tensors by input name), multipart/form-data (one JSON part a tensor)"
_AS_JSON = frozenset(
    (
        b"",
        b"application/json",
        b"text/json",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"application/octet-stream",
    )
)
_BATCH, _ROW, _SINGLE = range(3)


class Eval:
    """The simplified format."""

    def __init__(self, model: Model) -> None:
        self._signature = model.signature

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {"/": self.decode, "/eval": self.decode}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return {"/describe": self.describe}

    def describe(self) -> Any:
        metadata = self._signature.metadata
        return {
            "inputs": [_described(t) for t in metadata.inputs],
            "outputs": [_described(t) for t in metadata.outputs],
        }

    def decode(self, request: Request) -> Call:
        _check_accept(request)
        kind = content_type(request)
        if kind in _AS_JSON:
            values = check_object(parse_json(request.body), "an object of tensors by input name")
        elif kind == b"multipart/form-data":
            values = multipart.read(request.headers[b"content-type"], request.body)
        else:
            raise UnsupportedMedia(f"{kind.decode('latin-1')} is not taken here; send {ACCEPTED}")
        return self.call(values)

    def call(self, values: Mapping[str, Any]) -> Call:
        """Values by input name, checked."""
        signature = self._signature
        signature.check_names(values)
        inputs: dict[str, Array] = {}
        forms = set()
        for name, value in values.items():
            single = signature.singles.get(name)
            if single is not None and type(value) is float and -single.limit <= value <= single.limit:
                inputs[name], form = np.array(value, dtype=single.dtype, ndmin=single.rank), _SINGLE
            else:
                tensor = signature.tensor(name)
                inputs[name], form = fit(from_json(value, tensor), tensor)
            forms.add(form)
        form = _BATCH if _BATCH in forms or not forms else max(forms)
        return Call(inputs, signature.count(inputs), partial(_encode, form))

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def error(self, error: InvalidInput) -> bytes:
        detail = error.details[0] if error.details else {}
        return dump_json({"error": error.message, "code": error.code, **detail})


def fit(array: Array, tensor: Tensor) -> tuple[Array, int]:
    """The array in the rank the model declares, and whether it came as batch, as one row or as a single value."""
    want = tensor.shape
    if want is None:
        return array, _BATCH
    came, rank = array.shape, len(want)
    if len(came) == rank:
        form = _BATCH if rank else _SINGLE
    elif came == ():
        array, form = array.reshape((1,) * rank), _SINGLE
    elif len(came) == rank - 1 and want[0] in (-1, 1) and (came == want[1:] or fits((want[0], *came), tensor)):
        array, form = array[None], _ROW
    elif len(came) == 1 and rank == 2 and want[1] == 1:
        array, form = array[:, None], _BATCH  # a column
    else:
        raise bad(tensor, f"shape {list(came)}")
    if fits(array.shape, tensor):
        return array, form
    raise bad(tensor, f"shape {list(came)}")


def _encode(form: int, outputs: Mapping[str, Array]) -> Reply:
    if form == _BATCH:
        return dump_json({name: jsonable(array) for name, array in outputs.items()}), JSON, b""
    return dump_json({name: jsonable(_shortened(array, form)) for name, array in outputs.items()}), JSON, b""


def _shortened(array: Array, form: int) -> Array:
    if array.ndim and array.shape[0] == 1:
        array = array[0:1].reshape(array.shape[1:])
    if form == _SINGLE and array.size == 1:
        array = array.reshape(())
    return array


def _described(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "type": type_word(tensor.datatype),
        "shape": None if tensor.shape is None else list(tensor.shape),
    }


def _check_accept(request: Request) -> None:
    accept = request.headers.get(b"accept")
    if accept and b"image/" in accept and b"*/*" not in accept and b"json" not in accept:
        raise UnsupportedMedia("only application/json can be answered here; change the Accept header")
