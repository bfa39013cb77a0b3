"""The TensorFlow Serving / KServe v1 form: predict, classify, regress; status and metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.protocols.base import Call, Encode, Model, simple_error
from mlserve.runtime.protocols.v1_reply import encode_classes, encode_columns, encode_rows, encode_values
from mlserve.runtime.protocols.v1_request import arrays, columns, is_named, only, parse


class V1:
    """``/v1/models/NAME``; the only signature is ``serving_default``."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._signature = model.signature
        self._classes = partial(encode_classes, {tensor.name: tensor for tensor in model.signature.metadata.outputs})

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        paths: dict[str, Callable[[Request], Call]] = {}
        for base in self._bases():
            paths[f"{base}:predict"] = self.decode
            paths[f"{base}:classify"] = partial(self._examples, self._classes)
            paths[f"{base}:regress"] = partial(self._examples, encode_values)
        return paths

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return dict.fromkeys(self._bases(), self.state) | {f"{base}/metadata": self.metadata for base in self._bases()}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def state(self) -> Any:
        status = {"error_code": "OK", "error_message": ""}
        return {"model_version_status": [{"version": str(self._model.version), "state": "AVAILABLE", "status": status}]}

    def metadata(self) -> Any:
        from mlserve.runtime.protocols.v1_metadata import metadata

        return metadata(self._model)

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def decode(self, request: Request) -> Call:
        asked = parse(request.body, 'an object with "instances" or "inputs"')
        if ("instances" in asked) == ("inputs" in asked):
            raise InvalidInput('the body wants either "instances" (rows) or "inputs" (columns)')
        if "instances" in asked:
            return self._call(columns(asked["instances"], self._signature, "instances"), encode_rows)
        inputs = asked["inputs"]
        return self._call(inputs if is_named(inputs) else {only(self._signature): inputs}, encode_columns)

    def _examples(self, encode: Encode, request: Request) -> Call:
        asked = parse(request.body, 'an object with "examples"')
        rows, context = asked.get("examples"), asked.get("context", {})
        if not isinstance(context, dict):
            raise InvalidInput('"context" wants an object of inputs that all examples share')
        if context and isinstance(rows, list):
            rows = [{**context, **row} if isinstance(row, dict) else row for row in rows]
        return self._call(columns(rows, self._signature, "examples"), encode)

    def _call(self, values: Mapping[str, Any], encode: Encode) -> Call:
        inputs = arrays(values, self._signature)
        return Call(inputs, self._signature.count(inputs), encode)

    def _bases(self) -> tuple[str, str]:
        base = f"/v1/models/{self._model.service}"
        return base, f"{base}/versions/{self._model.version}"
