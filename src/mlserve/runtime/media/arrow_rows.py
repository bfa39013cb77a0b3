"""Parquet and Arrow both ways: a column for each input, lists of one length in a column as a further axis.

pyarrow, heavy as it is: of the libraries that were tried it is the one that lives through a damaged file; the small
ones end the whole process when a number in there asks for more memory than the machine has.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.http.encodings import TooLarge
from mlserve.runtime.media.arrow_sizes import cost, unpacked_size
from mlserve.runtime.media.columns import Table
from mlserve.runtime.media.flat import common_rows
from mlserve.runtime.media.library import library
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, Array, bad

STREAM = b"application/vnd.apache.arrow.stream"
TYPES = {
    STREAM: "stream",
    b"application/vnd.apache.arrow.file": "file",
    b"application/vnd.apache.parquet": "parquet",
    b"application/x-parquet": "parquet",
    b"application/parquet": "parquet",
}
_WRONG = (struct.error, OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError)
_WISH = 'add "arrow": true to model_config'
_MARK = b"ARROW1\0\0"
_GROWTH = 16
"""How much larger than the largest body an unpacked table may be."""


def read(body: bytes, kind: bytes, largest: int) -> Table:
    """The table; raises InvalidInput for what is none."""
    arrow = library("pyarrow", "pyarrow", _WISH)
    most = min(largest * _GROWTH, ALLOWANCE.most or largest * _GROWTH)
    try:
        schema, batches = _opened(arrow, body, TYPES[kind], most)
        table = arrow.Table.from_batches(_held(batches, most), schema)
        return Table(table.column_names, table.columns, table.num_rows, convert)
    except (arrow.ArrowException, *_WRONG) as exc:
        raise InvalidInput(f"the body is no {TYPES[kind]} that can be read: {str(exc)[:200]}") from None


def write(outputs: Mapping[str, Array]) -> bytes:
    """An Arrow stream with a column for each output; several values a row are a list of fixed length."""
    arrow = library("pyarrow", "pyarrow", _WISH)
    rows = common_rows(outputs)
    columns = {name: _column(arrow, array, rows) for name, array in outputs.items()}
    out = io.BytesIO()
    table = arrow.table(columns)
    with arrow.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def convert(column: Any, tensor: Tensor) -> Array:
    """A column as values of the tensor's datatype; null is a missing number."""
    try:
        array = _array(column.combine_chunks())
        values = column.to_pylist() if array is None else None
    except _WRONG as exc:
        raise bad(tensor, f"a column of {column.type}: {str(exc)[:100]}") from None
    if array is None:
        return from_json(values, tensor)
    if not tensor.datatype or array.dtype == DTYPES[tensor.datatype]:
        return array
    return _cast(array, tensor, str(column.type))


def _opened(arrow: Any, body: bytes, form: str, most: int) -> tuple[Any, Iterator[Any]]:
    source = arrow.py_buffer(body)
    if form == "parquet":
        file = library("pyarrow.parquet", "pyarrow").ParquetFile(arrow.BufferReader(source))
        about = file.metadata
        if sum(about.row_group(index).total_byte_size for index in range(about.num_row_groups)) > most:
            raise _too_large(most)
        return file.schema_arrow, file.iter_batches(use_threads=False)
    if form == "file":  # a stream between a mark and a table of contents
        if not body.startswith(_MARK):
            raise ValueError("it does not begin as one")
        source = source[len(_MARK) :]
    if unpacked_size(iter(arrow.ipc.MessageReader.open_stream(arrow.BufferReader(source)))) > most:
        raise _too_large(most)
    reader = arrow.ipc.open_stream(source)
    return reader.schema, iter(reader)


def _held(batches: Iterator[Any], most: int) -> Iterator[Any]:
    size = 0
    for batch in batches:
        batch.validate(full=True)  # before anything else is asked of it: lengths and offsets are taken on trust
        size += sum(map(cost, batch.columns))
        if size > most:
            raise _too_large(most)
        yield batch


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the table is larger than {most} bytes when it is unpacked")


def _array(column: Any) -> Array | None:
    """As numpy has it; ``None`` for text and where values are missing, which go the way of JSON."""
    kind = column.type
    if str(kind).startswith("dictionary"):
        return _array(column.dictionary_decode())
    if hasattr(kind, "list_size") and not column.null_count:
        inner = _array(column.flatten())
        return None if inner is None else inner.reshape(len(column), kind.list_size, *inner.shape[1:])
    if column.null_count or str(kind) in ("string", "large_string", "string_view", "binary", "large_binary"):
        return None
    array: Array = column.to_numpy(zero_copy_only=False)
    return None if array.dtype.kind == "O" else array


def _cast(array: Array, tensor: Tensor, came: str) -> Array:
    """Numbers of one width as numbers of another, where none is lost."""
    dtype = DTYPES[tensor.datatype]
    if dtype.kind == "O" or array.dtype.kind not in "fiu" or dtype.kind == "b":
        raise bad(tensor, f"a column of {came}")
    if dtype.kind != "f" and array.dtype.kind == "f" and not (np.isfinite(array).all() and (array % 1 == 0).all()):
        raise bad(tensor, f"a column of {came} with numbers that are not whole")
    with np.errstate(over="ignore", invalid="ignore"):
        changed = array.astype(dtype)
    if dtype.kind == "f":
        lost = np.isinf(changed) & np.isfinite(array.astype(np.float64))
    else:
        info = np.iinfo(dtype)
        lost = (array < info.min) | (array > info.max)
    if lost.any():
        raise bad(tensor, f"a column of {came} with a number too large for {tensor.datatype}")
    return changed


def _column(arrow: Any, array: Array, rows: int) -> Any:
    if array.dtype.kind in "OUS":
        values = [_word(item) for item in array.ravel().tolist()]
        flat = arrow.array(values, type=arrow.binary() if any(isinstance(v, bytes) for v in values) else arrow.string())
    else:
        flat = arrow.array(np.ascontiguousarray(array).ravel())
    width = array.size // rows if rows else 1
    return flat if width == 1 and array.ndim <= 1 else arrow.FixedSizeListArray.from_arrays(flat, max(width, 1))


def _word(item: Any) -> Any:
    return item if isinstance(item, str | bytes) else str(item)
