"""CSV both ways: a line for each row, types as the model declares them, an empty cell is a missing value."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.media.columns import Table
from mlserve.runtime.media.flat import flat_columns
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, Array, bad

TYPES = (b"text/csv", b"application/csv")
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none"))
_LINE, _CELL, _CHARACTER = 120, 80, 6
"""Bytes that a line, a cell and a character take while they are read, about (measured)."""
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def read(body: bytes, parameters: Mapping[str, str], known: Sequence[str], textual: bool) -> Table:
    """The table. Its first line is a header where ``header=present`` says so, where it has one of the ``known`` names,
    or where none of its cells is a number (and the model does not take text alone)."""
    lines = _lines(body, parameters.get("charset", "utf-8"))
    if not lines:
        raise InvalidInput("the CSV body is empty")
    header = parameters.get("header")
    first = [cell.strip() for cell in lines[0]]
    named = header == "present" or (header != "absent" and _is_header(first, known, textual))
    rows = lines[1:] if named else lines
    for number, row in enumerate(rows, 2 if named else 1):
        if len(row) != len(first):
            raise InvalidInput(f"line {number} of the CSV has {len(row)} cells, the first one {len(first)}")
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in first]
    return Table(first if named else None, columns, len(rows), partial(convert, 2 if named else 1))


def convert(first_line: int, cells: Sequence[str], tensor: Tensor) -> Array:
    """Cells as values of the tensor's datatype."""
    if not tensor.datatype:
        return _guessed(cells, tensor)
    dtype = DTYPES[tensor.datatype]
    if dtype.kind == "O":
        return from_json(list(cells), tensor) if cells else np.empty(0, dtype)
    one = _ONE[dtype.kind]
    values = []
    for line, cell in enumerate(cells, first_line):
        try:
            values.append(one(cell.strip()))
        except ValueError:
            raise bad(tensor, f"{cell[:40]!r} in line {line} of the CSV") from None
    return _with_infinities(values, dtype, tensor)


def write(outputs: Mapping[str, Array], tensors: Mapping[str, Tensor] | None = None) -> bytes:
    """A header and a line for each row; ``tensors``: the declared outputs, whose labels name columns."""
    columns = flat_columns(outputs, tensors)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))
    return text.getvalue().encode()


def _with_infinities(values: list[Any], dtype: np.dtype[Any], tensor: Tensor) -> Array:
    if dtype.kind == "f" and any(value in (np.inf, -np.inf) for value in values):
        return np.array(values, dtype=dtype)
    return from_json(values, tensor)


def _lines(body: bytes, charset: str) -> list[list[str]]:
    lines = body.count(b"\n") + body.count(b"\r")
    needed = lines * _LINE + (lines + body.count(b",")) * _CELL + len(body) * _CHARACTER
    ALLOWANCE.check(needed, f"the CSV of {lines} lines", "send fewer lines at once, or Arrow")
    try:
        text = body.decode(charset).removeprefix("\ufeff")
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (LookupError, UnicodeDecodeError, csv.Error) as exc:
        raise InvalidInput(f"the body is no CSV: {str(exc)[:200]}") from None


def _is_header(cells: Sequence[str], known: Sequence[str], textual: bool) -> bool:
    return any(cell in known for cell in cells) or not (textual or any(map(_is_value, filter(None, cells))))


def _is_value(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lower() in MISSING
    return True


def _number(cell: str) -> float:
    return float("nan") if cell.lower() in MISSING else float(cell)


def _whole(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)  # "7.0" is whole, too; what isn't is refused with the rest


def _truth(cell: str) -> bool:
    found = _TRUTHS.get(cell.lower())
    if found is None:
        raise ValueError(cell)
    return found


def _guessed(cells: Sequence[str], tensor: Tensor) -> Array:
    try:
        return np.array([_number(cell.strip()) for cell in cells], dtype=np.float64)
    except ValueError:
        return from_json(list(cells), Tensor(tensor.name, "BYTES", tensor.shape))


def _cells(array: Array) -> list[str]:
    if array.dtype.kind == "f":
        return ["" if np.isnan(value) else str(value) for value in array]
    if array.dtype.kind == "b":
        return ["true" if value else "false" for value in array]
    return [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in array.tolist()]


_ONE: dict[str, Callable[[str], Any]] = {"f": _number, "i": _whole, "u": _whole, "b": _truth}
