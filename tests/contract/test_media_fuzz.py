"""Whatever is sent as a picture, a table, a form or bytes is taken or refused by name: never a crash."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.generate import Generate
from mlserve.runtime.protocols.v1 import V1
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.signature import Signature

MIXED = (Tensor("age", "FP32", (-1, 1)), Tensor("n", "INT64", (-1,)), Tensor("word", "BYTES", (-1, 1)))
MODELS = {
    "mixed": MIXED,
    "matrix": (Tensor("x", "FP32", (-1, 3)),),
    "picture": (Tensor("x", "UINT8", (-1, 4, 4, 3)),),
    "text": (Tensor("word", "BYTES", (-1,)),),
    "truth": (Tensor("flag", "BOOL", (-1, 1)),),
    "open": (),
}
KINDS = [
    b"image/png", b"image/jpeg", b"text/csv", b"text/csv; header=present; charset=latin-1", b"text/csv; charset=nope",
    b"application/octet-stream", b"multipart/form-data; boundary=b", b"multipart/form-data", b"application/json",
    b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.file", b"application/vnd.apache.parquet",
    b"",
]  # fmt: skip


def served(name: str) -> Model:
    inputs = MODELS[name]
    return Model("m", 1, Signature(Metadata(inputs, inputs, "echo", rows=bool(inputs), open=not inputs)))


@cache
def seeds() -> list[bytes]:
    """Whole bodies of each kind, to be damaged."""
    table = pa.table(
        {"age": [1.5, None] * 20, "n": list(range(40)), "word": pa.array(["a", "b"] * 20).dictionary_encode()}
    )
    found = [b"age,n,word\r\n1.5,2,x\r\n,3,y\r\n", b"1,2,3\n4,5,6\n", b'"a ""quoted"" cell",1,2\n']
    for kind in ("PNG", "JPEG"):
        out = io.BytesIO()
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(out, kind)
        found.append(out.getvalue())
    for write in (pa.ipc.new_stream, pa.ipc.new_file):
        for compression in (None, "lz4", "zstd"):
            out = io.BytesIO()
            with write(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
                writer.write_table(table)
            found.append(out.getvalue())
    out = io.BytesIO()
    pq.write_table(table, out)
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: %s\r\n\r\n%s\r\n'
    parts = [(b"age", b"application/json", b"1.5"), (b"n", b"text/csv", b"1\n"), (b"word", b"text/plain", b"a")]
    form = b"".join(part % values for values in parts) + b"--b--\r\n"
    return [*found, out.getvalue(), form, b'{"age": [[1.5]], "n": [1], "word": [["a"]]}']


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(0, len(body) - 1)))
        if draw(st.booleans()):
            body[place : place + 1] = draw(st.binary(max_size=3))
        else:
            body[place : place + draw(st.integers(0, 40))] = b""
    return bytes(body)


def ask(name: str, kind: bytes, body: bytes, accept: bytes) -> None:
    with suppress(InvalidInput):
        call = Eval(served(name)).decode(
            Request(None, "POST", b"/eval", {b"content-type": kind, b"accept": accept}, body)
        )
        if call.prepare is not None:
            call.prepare()
        call.encode(call.inputs)


ACCEPTS = [b"*/*", b"text/csv", b"application/vnd.apache.arrow.stream", b"multipart/form-data", b"image/png", b";q=,"]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(KINDS),
    damaged() | st.binary(max_size=200),
    st.sampled_from(ACCEPTS),
)
def test_no_body_of_any_type_is_anything_but_taken_or_refused(
    name: str, kind: bytes, body: bytes, accept: bytes
) -> None:
    ask(name, kind, body, accept)


@pytest.mark.parametrize("kind", KINDS[-4:-1])
@settings(max_examples=150, deadline=None)
@given(body=damaged())
def test_no_damaged_table_is_anything_but_taken_or_refused(kind: bytes, body: bytes) -> None:
    for name in ("mixed", "open"):
        ask(name, kind, body, b"*/*")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='",;\n\r0123456789.eEnaif- \x00é', max_size=60), st.sampled_from(sorted(MODELS)))
def test_no_csv_is_anything_but_taken_or_refused(text: str, name: str) -> None:
    ask(name, b"text/csv", text.encode(), b"text/csv")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet='{}[],:"1.e-nulltrueNaInfity \\ub64', max_size=80).map(str.encode))
def test_no_json_text_is_anything_but_taken_or_refused(body: bytes) -> None:
    long = body + b" " * 3000
    model = served("mixed")
    for text in (body, long):
        request = Request(None, "POST", b"/", {}, text)
        for decode in (V2(model).decode, V1(model).decode, Eval(model).decode, Generate(model).decode):
            with suppress(InvalidInput):
                call = decode(request)
                if call.prepare is not None:  # it begins as a picture or a table does
                    call.prepare()
                call.encode(call.inputs)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["age", "n", "b64", "id"]), inner),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["id", "parameters", "inputs", "outputs", "instances", "examples", "context", "signature_name", "age", "n", "word"]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=5))
def test_no_object_is_anything_but_taken_or_refused(value: dict[str, object]) -> None:
    import orjson

    model = served("mixed")
    with suppress(orjson.JSONEncodeError):
        request = Request(None, "POST", b"/", {}, orjson.dumps(value))
        v1 = V1(model).infer()
        ways = [v1[path] for path in v1 if "versions" not in path]
        for decode in [V2(model).decode, Eval(model).decode, Generate(model).decode, *ways]:
            with suppress(InvalidInput):
                call = decode(request)
                call.encode(call.inputs)
