"""Bodies and answers that are not JSON: pictures, tables, forms, plain bytes; what is wrong in them is named."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols import eval_bodies
from mlserve.runtime.protocols.base import Call, Model, NotAcceptable, UnsupportedMedia
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.signature import Signature

EVENTS = b"text/event-stream"
PNG, JPEG, CSV, BYTES = b"image/png", b"image/jpeg", b"text/csv", b"application/octet-stream"
ARROW, PARQUET = b"application/vnd.apache.arrow.stream", b"application/vnd.apache.parquet"
TITANIC = (
    Tensor("age", "FP32", (-1, 1)),
    Tensor("class", "INT64", (-1, 1)),
    Tensor("sex", "BYTES", (-1, 1)),
    Tensor("alone", "BOOL", (-1,)),
)
ROWS = b"age,class,sex,alone\r\n27.5,1,female,true\r\n,3,male,0\r\n"


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


# pictures


@pytest.mark.parametrize(
    ("shape", "datatype", "came"),
    [
        ((-1, 3, 4, 5), "FP32", (1, 3, 4, 5)),
        ((-1, 4, 5, 3), "FP32", (1, 4, 5, 3)),
        ((1, 3, 4, 5), "UINT8", (1, 3, 4, 5)),
        ((3, 4, 5), "FP16", (3, 4, 5)),
        ((4, 5, 3), "INT32", (4, 5, 3)),
        ((-1, 4, 5), "FP32", (1, 4, 5)),
        ((-1, 4, 5, 1), "FP32", (1, 4, 5, 1)),
        ((-1, 1, 4, 5), "FP32", (1, 1, 4, 5)),
        ((-1, 4, 5, 4), "UINT8", (1, 4, 5, 4)),
        ((-1, -1, -1, 3), "UINT8", (1, 6, 8, 3)),
        ((-1, 3, -1, -1), "FP64", (1, 3, 6, 8)),
    ],
)
@pytest.mark.parametrize("kind", [PNG, JPEG])
def test_a_picture_gets_the_layout_and_size_of_the_input(
    shape: tuple[int, ...], datatype: str, came: tuple[int, ...], kind: bytes
) -> None:
    form = "PNG" if kind == PNG else "JPEG"
    array = ask(model(Tensor("image", datatype, shape)), picture(kind=form), kind).inputs["image"]
    assert array.shape == came
    top = 1.0 if datatype.startswith("FP") else 255
    if 3 in shape:
        channels = array.reshape(3, -1) if shape[-1] != 3 else array.reshape(-1, 3).T
        assert np.allclose(channels.mean(axis=1), [top, top * 128 / 255, 0], atol=top * 0.02)
    assert array.max() <= top


def test_the_descriptor_may_say_how_pictures_are_read() -> None:
    tensor = Tensor("x", "FP32", (-1, 3, 4, 4))
    image = {"mode": "BGR", "scale": 1, "mean": [1, 2, 3], "std": 2, "resize": "fit"}
    array = ask(model(tensor, image=image), picture((8, 4)), PNG).inputs["x"]
    assert array[0, :, 2, 1].tolist() == [-0.5, 63.0, 126.0]
    assert array[0, :, 0, 0].tolist() == [-0.5, -1.0, -1.5]  # above and below: black
    free = Tensor("x", "UINT8", (-1, -1, -1, -1))
    assert ask(model(free, image={"layout": "NHWC", "size": [2, 3]}), picture(), PNG).inputs["x"].shape == (1, 2, 3, 3)
    crop = ask(model(tensor, image={"resize": "crop"}), picture((40, 8)), PNG).inputs["x"]
    assert np.allclose(crop[0, 0], 1.0)


@pytest.mark.parametrize("image", [{"mode": "L"}, {"resize": "shrink"}, {"layout": "CWH"}])
def test_a_wrong_word_about_pictures_is_named(image: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"model_config.image.{next(iter(image))}"):
        ask(model(Tensor("x", "FP32", (-1, 3, 4, 4)), image=image), picture(), PNG)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(mode: str) -> None:
    body = picture(mode=mode, colour=1 if mode in ("1", "P") else 65535 if mode == "I;16" else None)
    for channels in (1, 3, 4):
        assert ask(model(Tensor("x", "UINT8", (-1, 4, 4, channels))), body, PNG).inputs["x"].shape == (
            1,
            4,
            4,
            channels,
        )


def test_what_is_no_picture_is_refused() -> None:
    served = model(Tensor("x", "FP32", (-1, 3, 4, 4)))
    for body in (b"", b"\x89PNG\r\n\x1a\n", picture()[:45], picture(kind="JPEG")[:300], b"GIF89a", picture(kind="BMP")):
        with pytest.raises(InvalidInput, match="picture"):
            ask(served, body, PNG)
    with pytest.raises(InvalidInput, match='input "x" wants FP32'):
        ask(model(Tensor("x", "FP32", (-1, 4))), picture(), PNG)
    with pytest.raises(UnsupportedMedia, match=r"application/json.*multipart/form-data"):
        ask(model(*TITANIC), picture(), PNG)


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("said", [BYTES, PNG])
def test_a_picture_of_another_kind_is_told_what_to_send(kind: str, said: bytes) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, kind)
    for shape in ((-1, 3, -1, -1), (-1, 3, 224, 224)):
        with pytest.raises(UnsupportedMedia, match=rf"(?i){kind} picture.*send image/png or image/jpeg"):
            ask(model(Tensor("image", "FP32", shape)), out.getvalue(), said)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "TIFF"])
def test_a_picture_of_another_kind_is_known_without_its_type(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, kind)
    with pytest.raises(UnsupportedMedia, match="send image/png or image/jpeg"):
        ask(model(Tensor("image", "FP32", (-1, 3, -1, -1))), out.getvalue(), b"application/x-www-form-urlencoded")


def test_a_picture_that_would_fill_the_memory_is_refused() -> None:
    served = model(Tensor("x", "UINT8", (-1, 4, 4, 1)), image={"max_pixels": 1000})
    for size, kind in (((100, 11), "PNG"), ((100, 11), "JPEG")):
        with pytest.raises(InvalidInput, match="pixels") as error:
            ask(served, picture(size, "L", kind, 1), PNG)
        assert error.value.status == 413
    with pytest.raises(InvalidInput, match=r"too large|pixels"):
        ask(model(Tensor("x", "UINT8", (-1, 4, 4, 1))), picture((20_000, 20_000), "1", colour=1), PNG)


@pytest.mark.parametrize("kind", [b"", b"application/x-www-form-urlencoded", BYTES])
def test_a_picture_is_known_without_its_type(kind: bytes) -> None:
    for body in (picture(), picture(kind="JPEG")):
        assert ask(model(Tensor("x", "UINT8", (-1, 4, 4, 3))), body, kind).inputs["x"].shape == (1, 4, 4, 3)


def test_a_picture_may_be_the_value_of_a_text_input() -> None:
    body = picture()
    for kind in (PNG, BYTES):
        assert ask(model(Tensor("file", "BYTES", (-1,))), body, kind).inputs["file"].tolist() == [body]


@pytest.mark.parametrize(
    ("shape", "array"),
    [
        ((-1, 4, 5, 3), np.zeros((1, 4, 5, 3), np.uint8)),
        ((-1, 3, 4, 5), np.ones((1, 3, 4, 5), np.float32)),
        ((4, 5, 3), np.full((4, 5, 3), 200.0)),
        ((-1, 4, 5), np.zeros((1, 4, 5), np.float32)),
        ((-1, 1, 4, 5), np.full((1, 1, 4, 5), np.nan)),
    ],
)
@pytest.mark.parametrize("kind", [PNG, JPEG])
def test_an_output_is_a_picture_where_one_is_asked_for(shape: tuple[int, ...], array: Any, kind: bytes) -> None:
    served = model(Tensor("x", "FP32", (-1, 1)), outputs=(Tensor("y", "FP32", shape),))
    call = ask(served, b'{"x": 1.0}', b"application/json", accept=kind)
    body, came, _ = call.encode({"y": array})
    image = Image.open(io.BytesIO(body))
    assert (came, call.slow) == (kind, True)
    assert image.size == (5, 4)
    assert image.format == ("PNG" if kind == PNG else "JPEG")
    two = np.concatenate([array, array]) if shape[0] == -1 else array[None]
    if shape[0] == -1:
        with pytest.raises(InvalidInput, match="not one picture"):
            call.encode({"y": two})


# tables


def test_csv_fills_an_input_a_column_with_the_types_of_the_model() -> None:
    call = ask(model(*TITANIC), ROWS, CSV)
    assert np.isnan(call.inputs["age"][1, 0])
    assert call.inputs["age"][0, 0] == 27.5
    assert call.inputs["class"].tolist() == [[1], [3]]
    assert call.inputs["sex"].tolist() == [["female"], ["male"]]
    assert call.inputs["alone"].tolist() == [True, False]
    bare = ask(model(*TITANIC), ROWS.partition(b"\n")[2], b"text/csv; header=absent")
    assert bare.inputs["sex"].tolist() == [["female"], ["male"]]
    assert ask(model(*TITANIC), ROWS.partition(b"\n")[2], CSV).inputs["sex"].tolist() == [["female"], ["male"]]


@pytest.mark.parametrize(
    "body",
    [
        b"1,2,3,4\n5,6,7,8\n",
        b"a,b,c,d\n1,2,3,4\n5,6,7,8\n",
        b",a,b,c,d\n0,1,2,3,4\n1,5,6,7,8\n",
        b"\xef\xbb\xbfa,b,c,d\r\n1,2,3,4\r\n\r\n5,6,7,8",
    ],
)
def test_csv_fills_one_input_with_all_columns(body: bytes) -> None:
    assert ask(model(Tensor("x", "FP32", (-1, 4))), body, CSV).inputs["x"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_columns_are_ordered_by_the_names_of_the_features() -> None:
    body = b"c,a,b\n3,1,2\n"
    by_config = model(Tensor("x", "INT64", (-1, 3)), features=["a", "b", "c"])
    by_model = model(Tensor("x", "INT64", (-1, -1), labels=("a", "b", "c")))
    for served in (by_config, by_model):
        assert ask(served, body, CSV).inputs["x"].tolist() == [[1, 2, 3]]
        for wrong, said in ((b"a,b\n1,2\n", "without the column c"), (b"a,b,c,d\n1,2,3,4\n", "with the column d")):
            with pytest.raises(InvalidInput, match=said):
                ask(served, wrong, CSV)


def test_whole_numbers_of_a_csv_stay_exact() -> None:
    body = b"n\n9007199254740993\n-9223372036854775808\n7.0\n"
    assert ask(model(Tensor("n", "INT64", (-1,))), body, CSV).inputs["n"].tolist() == [2**53 + 1, -(2**63), 7]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"age,class,sex,alone\n1,2,a\n", "line 2 of the CSV has 3 cells"),
        (b"age,class,sex,alone\nold,2,a,true\n", "'old' in line 2"),
        (b"age,class,sex,alone\n1,,a,true\n", r'"class".*line 2'),
        (b"age,class,sex,alone\n1,1.5,a,true\n", r'"class"'),
        (b"age,class,sex,alone\n1,1,a,maybe\n", r'"alone".*maybe'),
        (b"age,class,sex,loud\n1,1,a,1\n", 'no input "loud"'),
        (b"age,class,sex\n1,1,a\n", '"alone" is missing'),
        (b"1,2,3\n", "3 columns; 4 are wanted"),
        (b'age,class,sex,alone\n"1,2,a,true\n', "no CSV"),
        (b"\xff\xfe\n", "no CSV"),
        (b"age,age,sex,alone\n1,1,a,1\n", "same name"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused_with_the_place(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        ask(model(*TITANIC), body, CSV)


def arrow_of(table: Any) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def file_of(table: Any) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def parquet_of(table: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


FORMS = {ARROW: arrow_of, PARQUET: parquet_of, b"application/vnd.apache.arrow.file": file_of}


@pytest.mark.parametrize("kind", FORMS)
def test_parquet_and_arrow_fill_an_input_a_column(kind: bytes) -> None:
    table = pa.table(
        {
            "age": pa.array([27.5, None], pa.float64()),
            "class": pa.array([1, 3], pa.int8()),
            "sex": pa.array(["female", "male"]).dictionary_encode(),
            "alone": pa.array([True, False]),
        }
    )
    inputs = ask(model(*TITANIC), FORMS[kind](table), kind).inputs
    assert {name: array.dtype.kind for name, array in inputs.items()} == {
        "age": "f",
        "class": "i",
        "sex": "O",
        "alone": "b",
    }
    assert np.isnan(inputs["age"][1, 0])
    assert inputs["sex"].tolist() == [["female"], ["male"]]
    assert inputs["class"].tolist() == [[1], [3]]


@pytest.mark.parametrize("kind", FORMS)
def test_lists_of_one_length_are_a_further_axis(kind: bytes) -> None:
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6, dtype=np.float32)), 3)
    served = model(Tensor("x", "FP32", (-1, 3)))
    assert ask(served, FORMS[kind](pa.table({"x": values})), kind).inputs["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    columns = pa.table({name: pa.array([1.0, 2.0]) for name in "abc"})
    assert ask(served, FORMS[kind](columns), kind).inputs["x"].tolist() == [[1, 1, 1], [2, 2, 2]]
    none = pa.table({name: pa.array([], pa.float32()) for name in "abc"})
    assert ask(served, FORMS[kind](none), kind).inputs["x"].shape == (0, 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [(pa.array([1.5]), "not whole"), (pa.array([None], pa.int64()), "null"), (pa.array(["a"]), "text"),
     (pa.array([2**40]), "too large"), (pa.array([True]), "bool"), (pa.array([[1, 2]]), "FP32|INT32")],
)  # fmt: skip
def test_a_column_that_does_not_fit_is_named(values: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as error:
        ask(model(Tensor("n", "INT32", (-1,))), arrow_of(pa.table({"n": values})), ARROW)
    assert '"n"' in error.value.message


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_no_table_is_refused(kind: bytes) -> None:
    whole = FORMS[kind](pa.table({"x": list(range(1000))}))
    served = model(Tensor("x", "INT64", (-1,)))
    for body in (b"", b"PAR1", b"ARROW1", whole[: len(whole) // 2], b"\xff" * 100):
        with pytest.raises(InvalidInput, match=r"no parquet|no stream|no file"):
            ask(served, body, kind)


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_table_that_unpacks_to_more_than_may_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: bytes, compression: str | None
) -> None:
    table = pa.table({"x": [0] * 100_000, "word": pa.array(["a" * 50] * 100_000).dictionary_encode()})
    out = io.BytesIO()
    if kind == PARQUET:
        pq.write_table(table, out, compression=compression or "none", use_dictionary=False)
    else:
        with (pa.ipc.new_stream if kind == ARROW else pa.ipc.new_file)(
            out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
        ) as writer:
            writer.write_table(table)
    served = model(Tensor("x", "INT64", (-1,)), Tensor("word", "BYTES", (-1,)))
    assert ask(served, out.getvalue(), kind).rows == 1
    monkeypatch.setattr(eval_bodies, "_LARGEST_TABLE", 10_000)
    with pytest.raises(InvalidInput, match="unpacked") as error:
        ask(served, out.getvalue(), kind)
    assert error.value.status == 413


# forms and plain bytes


def form(*parts: tuple[str, bytes, bytes]) -> tuple[bytes, bytes]:
    pieces = [
        b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\nContent-Type: %s\r\n\r\n%s\r\n'
        % (name.encode(), kind, body)
        for name, kind, body in parts
    ]
    return b"".join(pieces) + b"--b--\r\n", b"multipart/form-data; boundary=b"


def test_each_part_of_a_form_has_a_type_of_its_own() -> None:
    served = model(
        Tensor("image", "UINT8", (-1, 6, 8, 3)), Tensor("n", "INT32", (-1, 1)), Tensor("raw", "FP32", (-1, 2)),
        Tensor("table", "FP32", (-1, 2)), Tensor("word", "BYTES", (-1,)), Tensor("file", "FP32", (-1, 2)),
    )  # fmt: skip
    raw = np.array([1, 2], "<f4").tobytes()
    body, kind = form(
        ("image", PNG, picture()), ("n", b"application/json; charset=utf-8", b"7"), ("raw", BYTES, raw),
        ("table", CSV, b"a,b\n1,2\n"), ("word", b"text/plain", "grüß dich".encode()), ("file", BYTES, b"[[5, 6]]"),
    )  # fmt: skip
    inputs = ask(served, body, kind).inputs
    assert inputs["image"].shape == (1, 6, 8, 3)
    assert inputs["n"].tolist() == [[7]]
    assert inputs["raw"].tolist() == inputs["table"].tolist() == [[1, 2]]
    assert inputs["file"].tolist() == [[5, 6]]
    assert inputs["word"].tolist() == ["grüß dich"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (("x", b"video/mp4", b""), "video/mp4"),
        (("x", b"application/json", b"{"), "not JSON"),
        (("x", BYTES, b"abc"), '"x".*3 raw bytes'),
        (("y", b"application/json", b"1"), 'no input "y"'),
        (("x", PNG, b"nothing"), "picture"),
    ],
)
def test_a_part_that_does_not_fit_is_named(part: tuple[str, bytes, bytes], said: str) -> None:
    body, kind = form(part)
    with pytest.raises(InvalidInput, match=said):
        ask(model(Tensor("x", "FP32", (-1, 3))), body, kind)
    with pytest.raises(InvalidInput, match="twice"):
        ask(model(Tensor("x", "FP32", (-1, 3))), *form(part, part))


def test_plain_bytes_are_the_one_input() -> None:
    served = model(Tensor("x", "FP32", (-1, 2)))
    assert ask(served, np.array([1, 2], "<f4").tobytes(), BYTES).inputs["x"].tolist() == [[1, 2]]
    assert ask(served, b'{"x": [[1, 2]]}', BYTES).inputs["x"].tolist() == [[1, 2]]
    with pytest.raises(InvalidInput, match=r'"x".*3 raw bytes'):
        ask(served, b"abc", BYTES)


# answers


OUTPUTS: dict[str, Any] = {
    "label": np.array(["a", "b"], dtype=object),
    "scores": np.array([[0.1, 0.9], [np.nan, 0.25]], np.float32),
    "n": np.array([[1], [2]]),
}


def answered(accept: bytes, outputs: dict[str, Any] = OUTPUTS) -> tuple[bytes, bytes]:
    served = model(Tensor("x", "FP32", (-1, 1)), outputs=())
    body, kind, _ = ask(served, b'{"x": [[1.0], [2.0]]}', b"application/json", accept=accept).encode(outputs)
    return body, kind


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (b"*/*", b"application/json"),
        (b"application/*", b"application/json"),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", b"application/json"),
        (b"text/csv", b"text/csv"),
        (b"application/json;q=0.5, text/csv;q=0.9", b"text/csv"),
        (b"application/json;q=0, */*;q=0.1", ARROW),
        (b"*/*, text/csv", b"text/csv"),
        (ARROW + b";q=1, application/json;q=0.1", ARROW),
        (b"multipart/form-data", b"multipart/form-data"),
    ],
)
def test_the_accept_header_chooses_the_form_of_the_answer(accept: bytes, kind: bytes) -> None:
    assert answered(accept)[1].startswith(kind)


@pytest.mark.parametrize("accept", [b"image/png", b"text/html", b"application/json;q=0", b"nonsense", b"text/csv;q=x"])
def test_what_cannot_be_answered_is_406_with_what_can(accept: bytes) -> None:
    with pytest.raises(NotAcceptable, match=r"application/json.*text/csv") as error:
        answered(accept)
    assert error.value.status == 406


def test_whoever_wants_events_of_a_model_that_streams_is_told_where_they_are() -> None:
    metadata = Metadata((Tensor("text", "BYTES", (-1,)),), (Tensor("word", "BYTES", (-1,)),), streams=True)
    with pytest.raises(NotAcceptable, match=r"events come from /v2/models/writer/generate_stream"):
        ask(Model("writer", 1, Signature(metadata)), b'{"text": ["a"]}', b"application/json", accept=EVENTS)
    with pytest.raises(NotAcceptable) as error:
        answered(EVENTS)
    assert "generate_stream" not in str(error.value)


def test_outputs_as_csv_name_their_columns_by_label_where_there_is_one_for_each() -> None:
    p, q = Tensor("p", "FP32", (-1, 2), labels=("no", "yes")), Tensor("q", "FP32", (-1, 2), labels=("a", "a"))
    call = ask(model(Tensor("x", "FP32", (-1,)), outputs=(p, q)), b'{"x": [1]}', b"", accept=CSV)
    outputs = {"p": np.array([[0.25, 0.75]], np.float32), "q": np.array([[1, 2]], np.float32)}
    assert call.encode(outputs)[0] == b"p_no,p_yes,q_0,q_1\r\n0.25,0.75,1.0,2.0\r\n"


def test_outputs_are_answered_as_csv_of_equally_many_rows() -> None:
    assert answered(b"text/csv")[0].decode().splitlines() == ["label,scores_0,scores_1,n", "a,0.1,0.9,1", "b,,0.25,2"]
    with pytest.raises(InvalidInput, match="as many rows"):
        answered(b"text/csv", {"a": np.zeros(2), "b": np.zeros(3)})


def test_outputs_are_answered_as_an_arrow_table() -> None:
    table = pa.ipc.open_stream(answered(ARROW)[0]).read_all()
    assert table.column("label").to_pylist() == ["a", "b"]
    assert table.column("scores").to_pylist()[0] == pytest.approx([0.1, 0.9])
    assert str(table.schema.field("scores").type) == "fixed_size_list<item: float>[2]"
    empty = pa.ipc.open_stream(answered(ARROW, {"y": np.zeros((0, 3), np.float32)})[0]).read_all()
    assert empty.num_rows == 0


def test_outputs_are_answered_as_the_parts_of_a_form() -> None:
    body, kind = answered(b"multipart/form-data")
    boundary = kind.partition(b"boundary=")[2]
    parts = [part.partition(b"\r\n\r\n") for part in body.split(b"--" + boundary)[1:-1]]
    assert [json.loads(value) for _, _, value in parts][2] == [[1], [2]]
    assert b'name="label"' in parts[0][0]


def test_an_environment_without_the_library_says_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsupportedMedia, match=r"pyarrow.*\"arrow\": true") as error:
        ask(model(Tensor("x", "FP32", (-1, 3))), b"", PARQUET)
    assert error.value.status == 415
