"""A model of a few tensors, and what it is asked in the bodies of other formats."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols.base import Call, Model
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.signature import Signature

PNG, JPEG, CSV, BYTES = b"image/png", b"image/jpeg", b"text/csv", b"application/octet-stream"
ARROW, PARQUET = b"application/vnd.apache.arrow.stream", b"application/vnd.apache.parquet"
TITANIC = (
    Tensor("age", "FP32", (-1, 1)),
    Tensor("class", "INT64", (-1, 1)),
    Tensor("sex", "BYTES", (-1, 1)),
    Tensor("alone", "BOOL", (-1,)),
)


def model(*inputs: Tensor, outputs: tuple[Tensor, ...] | None = None, **config: Any) -> Model:
    metadata = Metadata(inputs, inputs if outputs is None else outputs, rows=False)
    return Model("m", 1, Signature(metadata), config)


def ask(served: Model, body: bytes, kind: bytes, **headers: bytes) -> Call:
    call = Eval(served).decode(Request(None, "POST", b"/eval", {b"content-type": kind, **named(headers)}, body))
    if call.prepare is not None:
        call.prepare()
    return call


def named(headers: dict[str, bytes]) -> dict[bytes, bytes]:
    return {name.replace("_", "-").encode(): value for name, value in headers.items()}


def picture(size: tuple[int, int] = (8, 6), mode: str = "RGB", kind: str = "PNG", colour: Any = (255, 128, 0)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind)
    return out.getvalue()


def form(*parts: tuple[str, bytes, bytes]) -> tuple[bytes, bytes]:
    pieces = [
        b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\nContent-Type: %s\r\n\r\n%s\r\n'
        % (name.encode(), kind, body)
        for name, kind, body in parts
    ]
    return b"".join(pieces) + b"--b--\r\n", b"multipart/form-data; boundary=b"
