"""CSV, Parquet and Arrow as bodies: columns fill the model's inputs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.contract.media_kit import ARROW, CSV, PARQUET, TITANIC, ask, model

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import eval_bodies

ROWS = b"age,class,sex,alone\r\n27.5,1,female,true\r\n,3,male,0\r\n"


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
