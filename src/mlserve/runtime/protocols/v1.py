"""The TensorFlow Serving / KServe v1 form: instances (rows) or inputs (columns)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from mlserve.errors import InvalidInput
from mlserve.runtime.nested import DEEPEST, from_json
from mlserve.runtime.protocols.base import (
    JSON,
    Call,
    Model,
    Reply,
    check_object,
    dump_json,
    jsonable,
    parse_json,
    simple_error,
)
from mlserve.runtime.request import Request
from mlserve.runtime.tensors import Array, check_shape


class V1:
    """``/v1/models/NAME:predict``."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._signature = model.signature

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {f"{base}:predict": self.decode for base in self._bases()}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return dict.fromkeys(self._bases(), self.state) | {f"{base}/metadata": self.metadata for base in self._bases()}

    def state(self) -> Any:
        status = {"error_code": "OK", "error_message": ""}
        return {"model_version_status": [{"version": str(self._model.version), "state": "AVAILABLE", "status": status}]}

    def metadata(self) -> Any:
        about = self._signature.metadata
        sides = {"inputs": about.inputs, "outputs": about.outputs}
        return {
            "model_spec": {"name": self._model.service, "signature_name": "", "version": str(self._model.version)},
            "metadata": {
                side: [{"name": t.name, "datatype": t.datatype, "shape": t.shape} for t in tensors]
                for side, tensors in sides.items()
            },
        }

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def decode(self, request: Request) -> Call:
        asked = check_object(_parse(request.body), 'an object with "instances" or "inputs"')
        if asked.get("signature_name") not in (None, "", "serving_default"):
            raise InvalidInput(f"no signature {asked['signature_name']!r} (signatures: serving_default)")
        if ("instances" in asked) == ("inputs" in asked):
            raise InvalidInput('the body wants either "instances" (rows) or "inputs" (columns)')
        if "instances" in asked:
            return self._call(self._columns(asked["instances"]), _encode_rows)
        inputs = asked["inputs"]
        return self._call(inputs if self._named(inputs) else {self._only(): inputs}, _encode_columns)

    def _call(self, values: Mapping[str, Any], encode: Callable[[Mapping[str, Array]], Reply]) -> Call:
        signature = self._signature
        signature.check_names(values)
        inputs: dict[str, Array] = {}
        for name, value in values.items():
            tensor = signature.tensor(name)
            array = from_json(_unpacked(value), tensor)
            if tensor.shape is not None and array.ndim == 1 and len(tensor.shape) == 2 and tensor.shape[1] == 1:
                array = array[:, None]  # a list of single values, one a row
            check_shape(array, tensor)
            inputs[name] = array
        return Call(inputs, signature.count(inputs), encode)

    def _columns(self, rows: Any) -> Mapping[str, Any]:
        if not isinstance(rows, list) or not rows:
            raise InvalidInput('"instances" wants a list with a row for each instance')
        if not self._named(rows[0]):
            return {self._only(): rows}
        names = rows[0].keys()
        for index, row in enumerate(rows):
            if not isinstance(row, dict) or row.keys() != names:
                raise InvalidInput(f"instance {index} wants the same names as the first one: {', '.join(names)}")
        return {name: [row[name] for row in rows] for name in names}

    def _named(self, value: Any) -> bool:
        return isinstance(value, dict) and value.keys() != {"b64"}

    def _only(self) -> str:
        inputs = self._signature.metadata.inputs
        if len(inputs) == 1:
            return inputs[0].name
        if not inputs:
            return "instances"
        raise InvalidInput(f"the model has {len(inputs)} inputs: name them, {', '.join(t.name for t in inputs)}")

    def _bases(self) -> tuple[str, str]:
        base = f"/v1/models/{self._model.service}"
        return base, f"{base}/versions/{self._model.version}"


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            return parse_json(body)
    try:
        return json.loads(body)  # this protocol allows NaN, Infinity and -Infinity as bare words
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"the body is not JSON: {exc}") from None


def _unpacked(value: Any, depth: int = 0) -> Any:
    if isinstance(value, list):
        if not value or not isinstance(value[0], list | dict) or depth > DEEPEST:
            return value
        return [_unpacked(item, depth + 1) for item in value]
    if isinstance(value, dict) and value.keys() == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as exc:
            raise InvalidInput(f'"b64" is not base64: {exc}') from None
    return value


def _encode_rows(outputs: Mapping[str, Array]) -> Reply:
    if len(outputs) == 1:
        return dump_json({"predictions": jsonable(next(iter(outputs.values())))}), JSON, b""
    if any(not array.ndim for array in outputs.values()) or len({len(array) for array in outputs.values()}) > 1:
        return dump_json({"predictions": {name: jsonable(array) for name, array in outputs.items()}}), JSON, b""
    columns = {name: array.tolist() if array.dtype.kind in "OUS" else list(array) for name, array in outputs.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return dump_json({"predictions": rows}), JSON, b""


def _encode_columns(outputs: Mapping[str, Array]) -> Reply:
    values = {name: jsonable(array) for name, array in outputs.items()}
    return dump_json({"outputs": next(iter(values.values())) if len(values) == 1 else values}), JSON, b""
