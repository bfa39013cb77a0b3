"""TensorFlow Serving's request: rows in ``instances`` or columns in ``inputs``, bare NaN, ``{"b64": …}`` for bytes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import orjson

from mlserve.errors import InvalidInput
from mlserve.runtime.nested import DEEPEST, from_json
from mlserve.runtime.numeric_json import LARGE, Numbers, parse_large
from mlserve.runtime.protocols.base import check_object, parse_json
from mlserve.runtime.signature import Signature
from mlserve.runtime.tensors import Array, check_shape

_SIGNATURES = (None, "", "serving_default")


def parse(body: bytes, wanted: str) -> dict[str, Any]:
    """The body as an object, its signature checked."""
    asked = check_object(_json(body), wanted)
    if asked.get("signature_name") not in _SIGNATURES:
        raise InvalidInput(f"no signature {str(asked['signature_name'])[:80]!r} (signatures: serving_default)")
    return asked


def arrays(values: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    """Columns by input, checked."""
    signature.check_names(values)
    inputs: dict[str, Array] = {}
    for name, value in values.items():
        tensor = signature.tensor(name)
        array = from_json(_unpacked(value), tensor)
        if tensor.shape is not None and array.ndim == 1 and len(tensor.shape) == 2 and tensor.shape[1] == 1:
            array = array[:, None]  # a list of single values, one a row
        check_shape(array, tensor)
        inputs[name] = array
    return inputs


def columns(rows: Any, signature: Signature, what: str) -> Mapping[str, Any]:
    """Rows as columns by input."""
    if isinstance(rows, Numbers):
        return {only(signature): rows}
    if not isinstance(rows, list) or not rows:
        raise InvalidInput(f'"{what}" wants a list with a row for each instance')
    if not is_named(rows[0]):
        return {only(signature): rows}
    names = rows[0].keys()
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != names:
            raise InvalidInput(f"instance {index} wants the same names as the first one: {', '.join(names)}")
    return {name: [_whole(row[name]) for row in rows] for name in names}


def is_named(value: Any) -> bool:
    """An object of inputs by name, which bytes are not."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def only(signature: Signature) -> str:
    """The one input that needs no name."""
    inputs = signature.metadata.inputs
    if len(inputs) == 1:
        return inputs[0].name
    if not inputs:
        return "instances"
    raise InvalidInput(f"the model has {len(inputs)} inputs: name them, {', '.join(t.name for t in inputs)}")


def _json(body: bytes) -> Any:
    try:
        return parse_large(body, _loads) if len(body) >= LARGE else _loads(body)
    except RecursionError as exc:
        raise InvalidInput(f"the body is not JSON: {exc}") from None
    except ValueError as exc:
        parse_json(body)  # says it better, unless the body is JSON but for bare words
        raise InvalidInput(f"the body is not JSON: {exc}") from None


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            raise
    return json.loads(body)  # this protocol allows NaN, Infinity and -Infinity as bare words


def _whole(value: Any) -> Any:
    return value.plain() if isinstance(value, Numbers) else value


def _unpacked(value: Any, depth: int = 0) -> Any:
    if isinstance(value, list):
        if not value or isinstance(value[0], int | float) or depth > DEEPEST:
            return value  # numbers hide no bytes
        return [_unpacked(item, depth + 1) for item in value]
    if isinstance(value, dict) and value.keys() == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as exc:
            raise InvalidInput(f'"b64" is not base64: {exc}') from None
    return value
