"""The Open Inference Protocol (V2) over HTTP: ask the model, and ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Call, Model, Reply, simple_error
from mlserve.runtime.protocols.known import KnownHeaders, KnownLists
from mlserve.runtime.protocols.v2_reply import ReplyWriter
from mlserve.runtime.protocols.v2_request import LENGTH, RAW, RequestReader
from mlserve.runtime.protocols.wishes import wishes

_COMMON, _WHOLE = {"inputs", "outputs", "parameters"}, {"binary_data_output"}
"""What a request may say without being one of its kind."""
_BEHIND, _SIZE = {"name", "shape", "datatype", "parameters"}, {"binary_data_size"}
_INSIDE = {"name", "shape", "datatype", "data"}
_NAME, _DATA = b'"data"', b'"data":'
_SMALL, _DIGITS = 2048, 12
_LARGE = 1 << 20


class V2:
    """``/v2/models/NAME``; the model's name is the service's."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._signature = model.signature
        self._reader = RequestReader(model.signature)
        self._writer = ReplyWriter(model)
        self._lists, self._headers = KnownLists(), KnownHeaders()
        self._texts = any(tensor.datatype in ("BYTES", None) for tensor in self._signature.metadata.inputs)

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
        body, headers, size, start, end = request.body, request.headers, 0, 0, 0
        call: Call | None = None
        if LENGTH in headers:
            length = headers[LENGTH]
            size = int(length) if length.isdigit() and len(length) < _DIGITS else 0
            if size:
                call = self._headers.find(body, size)
        elif len(body) <= _SMALL:
            start = body.find(_DATA) + len(_DATA)  # where the first tensor's data stand, if they are a flat list
            if body[start : start + 1] == b" ":
                start += 1
            end = body.find(b"]", start) + 1
            call = self._lists.find(body, start, end)
        return self._read(request, size, start, end) if call is None else call

    def _read(self, request: Request, size: int, start: int, end: int) -> Call:
        """A request of which no like came before."""
        if self._texts and len(request.body) > _LARGE and request.connection is not None:
            call = Call({}, 1, _unread)
            call.prepare = partial(self._prepare, call, request)
            return call
        asked, inputs = self._reader.read(request)
        asks = self._writer.wishes(asked)
        call = Call(inputs, self._signature.count(inputs), partial(self._writer.write, asks), **wishes(asked))
        if asked is RAW or not asked.keys() <= _COMMON or not (asked.get("parameters") or {}).keys() <= _WHOLE:
            return call
        body, listed, known = request.body, asked["inputs"], self._writer.known(asks)
        if size and all(item.keys() == _BEHIND and item["parameters"].keys() == _SIZE for item in listed):
            self._headers.keep(body, size, call, known)
        elif end and len(listed) == 1 and listed[0].keys() == _INSIDE and body.count(_NAME) == 1:
            tensor = self._signature.tensor(listed[0]["name"])
            self._lists.keep(body, start, end, tensor, listed[0]["data"], call, known)
        return call

    def _prepare(self, call: Call, request: Request) -> None:
        """A large one with texts, which are read one by one: on another thread."""
        asked, inputs = self._reader.read(request)
        call.inputs, call.rows = inputs, self._signature.count(inputs)
        call.encode = partial(self._writer.write, self._writer.wishes(asked))
        for name, wish in wishes(asked).items():
            setattr(call, name, wish)


def _unread(outputs: Mapping[str, Any]) -> Reply:
    raise RuntimeError("a call is prepared before it is answered")


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
