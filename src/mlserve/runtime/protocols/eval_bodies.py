"""Bodies of the simplified format that are not JSON: pictures, tables, forms and plain bytes, as values by input."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from mlserve.errors import InvalidInput
from mlserve.runtime.media import arrow_rows, columns, csv_rows, pictures
from mlserve.runtime.media.layout import layout_of
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary, multipart
from mlserve.runtime.protocols.base import Model, UnsupportedMedia
from mlserve.runtime.protocols.multipart import FORM, Part
from mlserve.runtime.tensors import bad

JSON_KINDS = frozenset((b"application/json", b"text/json", b"text/plain"))
BYTES_KIND = b"application/octet-stream"
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": b"image/png",
    b"\xff\xd8\xff": b"image/jpeg",
    b"PAR1": b"application/vnd.apache.parquet",
    b"ARROW1": b"application/vnd.apache.arrow.file",
}
_LARGEST_TABLE = 64 << 20


class Bodies:
    """Reads the bodies of one model. Slow: not for the event loop."""

    def __init__(self, model: Model) -> None:
        self._signature = model.signature
        options = model.config.get("image")
        self._image: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
        self._features = features(model)

    def read(self, kind: bytes, header: bytes, body: bytes) -> dict[str, Any]:
        """Values by input: arrays, or what `from_json` takes. ``header``: the whole Content-Type."""
        if kind == BYTES_KIND:
            kind = next((found for magic, found in _MAGIC.items() if body.startswith(magic)), kind)
        if kind == FORM:
            parts = multipart.split(header, body)
            return {name: self._part(part, self._signature.tensor(name)) for name, part in parts.items()}
        if kind in csv_rows.TYPES or kind in arrow_rows.TYPES:
            return dict(columns.inputs_of(self._table(kind, header, body), self._signature, self._features))
        tensor = self._only(kind)
        if kind == BYTES_KIND:
            return {tensor.name: binary.read_raw(body, tensor)}
        return {tensor.name: pictures.read(body, tensor, self._image)}

    def _part(self, part: Part, tensor: Tensor) -> Any:
        kind = part.kind.partition(b";")[0].strip().lower()
        if kind in pictures.TYPES:
            return pictures.read(part.body, tensor, self._image)
        if kind in csv_rows.TYPES or kind in arrow_rows.TYPES:
            return columns.side_by_side(self._table(kind, part.kind, part.body), tensor, None)
        if kind in JSON_KINDS or kind == b"":
            return _json_or_text(part, kind, tensor)
        if kind == BYTES_KIND:
            return _json_or_raw(part.body, tensor)
        taken = "application/json, image/png, image/jpeg, text/csv, application/octet-stream"
        raise UnsupportedMedia(f'part "{tensor.name}" is {kind.decode("latin-1")}; taken are {taken}')

    def _table(self, kind: bytes, header: bytes, body: bytes) -> columns.Table:
        if kind in arrow_rows.TYPES:
            return arrow_rows.read(body, kind, _LARGEST_TABLE)
        known = (*self._signature.inputs, *(self._features or ()))
        textual = all(tensor.datatype == "BYTES" for tensor in self._signature.metadata.inputs)
        return csv_rows.read(body, _parameters(header), known, textual)

    def _only(self, kind: bytes) -> Tensor:
        """The one input that a body of this type can be."""
        required = self._signature.required or list(self._signature.metadata.inputs)
        if kind in pictures.TYPES:
            fitting = [t for t in required if t.datatype == "BYTES" or layout_of(t, self._image) is not None]
        else:
            fitting = [t for t in required if t.datatype and t.shape is not None]
        if len(required) == 1 and len(fitting) == 1:
            return fitting[0]
        word = kind.decode("latin-1")
        if len(required) == 1:
            raise bad(required[0], f"a body of {word}")
        names = ", ".join(tensor.name for tensor in required) or "none declared"
        raise UnsupportedMedia(
            f"{word} is for a model with one input that it fits (inputs: {names}); "
            "send application/json, or multipart/form-data with a part for each"
        )


def features(model: Model) -> tuple[str, ...] | None:
    """Names for the columns of a single input: ``model_config.features``, else what the model knows."""
    asked = model.config.get("features")
    if isinstance(asked, list | tuple) and asked:
        return tuple(map(str, asked))
    inputs = model.signature.metadata.inputs
    return inputs[0].labels if len(inputs) == 1 else None


def _json_or_raw(body: bytes, tensor: Tensor) -> Any:
    """Many clients call a file so for want of a better word: what is a list or an object in JSON is one."""
    if body[:1] in (b"[", b"{"):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(body)
    return binary.read_raw(body, tensor) if tensor.datatype else body


def _json_or_text(part: Part, kind: bytes, tensor: Tensor) -> Any:
    try:
        return orjson.loads(part.body)
    except orjson.JSONDecodeError as exc:
        if kind == b"text/plain" or (not kind and part.body.strip().isalpha()):
            return part.body.decode("utf-8", "replace")
        raise InvalidInput(f'part "{tensor.name}" is not JSON: {exc}') from None


def _parameters(header: bytes) -> dict[str, str]:
    pairs = (item.partition("=") for item in header.decode("latin-1").split(";")[1:])
    return {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}
