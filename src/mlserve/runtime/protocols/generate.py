"""generate and generate_stream: one flat object in, one out, or a server-sent event for each answer.

Keys that are inputs become tensors, the others parameters, at the top and inside ``parameters`` alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.nested import from_json
from mlserve.runtime.protocols.base import (
    JSON,
    Call,
    Model,
    Reply,
    StreamCall,
    check_object,
    dump_json,
    jsonable,
    parse_json,
    simple_error,
)
from mlserve.runtime.protocols.fitting import fit
from mlserve.runtime.protocols.v2 import v2_bases
from mlserve.runtime.protocols.wishes import RESERVED, wishes
from mlserve.runtime.tensors import Array

EVENTS = b"text/event-stream"
_TEXT_OUT = "text_output"


class Unprocessable(InvalidInput):
    """What the protocol answers to a request that can't be used."""

    status = 422


class Generate:
    """For models that write text, or answer in parts."""

    def __init__(self, model: Model) -> None:
        self._model, self._signature = model, model.signature
        self._about = {"model_name": model.service, "model_version": str(model.version)}
        self._undeclared = model.signature.metadata.open and not model.signature.inputs
        self._parts = model.signature.metadata.streams

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        paths: dict[str, Callable[[Request], Call]] = {}
        for base in v2_bases(self._model):
            paths |= {f"{base}/generate": self.decode, f"{base}/generate_stream": self.decode_stream}
        return paths

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return {}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def decode(self, request: Request) -> Call:
        inputs, asked = self._read(request)
        return Call(inputs, self._count(inputs), partial(self._whole, _known(asked)), **asked)

    def decode_stream(self, request: Request) -> StreamCall:
        inputs, asked = self._read(request)
        encode = partial(self._event, _known(asked))
        return StreamCall(inputs, self._count(inputs), encode, EVENTS, _failed, **asked)

    def _read(self, request: Request) -> tuple[dict[str, Array], dict[str, Any]]:
        try:
            asked = check_object(parse_json(request.body), "an object with the inputs by name")
            return self._inputs(asked)
        except InvalidInput as exc:
            raise Unprocessable(exc.message, details=exc.details) from None

    def _count(self, inputs: dict[str, Array]) -> int:
        try:
            rows = self._signature.count(inputs)
        except InvalidInput as exc:
            raise Unprocessable(exc.message, details=exc.details) from None
        if not rows:
            raise Unprocessable("the inputs are empty lists; at least one value is wanted")
        return rows

    def _inputs(self, asked: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
        values: dict[str, Any] = {}
        parameters: dict[str, Any] = {}
        inside = asked.get("parameters") if "parameters" not in self._signature.inputs else None
        for name, value in (check_object(inside, '"parameters" as an object') if inside is not None else {}).items():
            (values if name in self._signature.inputs else parameters)[name] = value
        for name, value in asked.items():
            if name in self._signature.inputs or (self._undeclared and name not in ("id", "parameters")):
                values[name] = value
            elif name not in ("id", "parameters"):
                parameters[name] = value
        self._signature.check_names(values)
        inputs = {}
        for name, value in values.items():
            tensor = self._signature.tensor(name)
            inputs[name] = fit(from_json(value, tensor), tensor)[0]
        own = {name: value for name, value in parameters.items() if name not in RESERVED}
        meant = {name: value for name, value in parameters.items() if name in RESERVED}
        return inputs, {**wishes({"id": asked.get("id"), "parameters": meant}), "parameters": own}

    def _whole(self, known: Mapping[str, Any], outputs: Mapping[str, Array]) -> Reply:
        return dump_json(self._object(known, outputs, self._parts)), JSON, b""

    def _event(self, known: Mapping[str, Any], outputs: Mapping[str, Array]) -> Reply:
        return b"data: %s\n\n" % dump_json(self._object(known, outputs, False)), EVENTS, b""

    def _object(self, known: Mapping[str, Any], outputs: Mapping[str, Array], joined: bool) -> dict[str, Any]:
        """``joined``: the texts of all parts are one."""
        answer = {**known, **self._about}
        for name, array in outputs.items():
            value = jsonable(array.ravel())
            if joined and name == _TEXT_OUT and array.dtype.kind in "OUS":
                answer[name] = "".join(map(str, value))
            else:
                answer[name] = value[0] if array.size == 1 else value
        return answer


def _known(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"id": asked["identity"]} if asked.get("identity") else {}


def _failed(text: str, code: str) -> bytes:
    return b"data: %s\n\n" % dump_json({"error": text, "code": code})
