"""A list of objects as a request, one for each row, its values by column: EAS's form for PMML, pandas' records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from mlserve.errors import InvalidInput
from mlserve.runtime.media import columns
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import JSON, Encode, Model, Reply, check_object, dump_json, parse_json, texts
from mlserve.runtime.protocols.eval_bodies import features
from mlserve.runtime.protocols.eval_reply import as_json
from mlserve.runtime.protocols.fitting import BATCH
from mlserve.runtime.tensors import Array, BadTensor

_WANTED = "an object of tensors by input name, or a list of objects, one for each row"


def parsed(body: bytes, *, sure: bool) -> list[dict[str, Any]] | None:
    """The rows; ``None``: the body is not JSON, and may be something else where nobody is ``sure``."""
    if not sure:
        try:
            rows = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
    else:
        rows = parse_json(body)
    for number, row in enumerate(rows):
        check_object(row, f"{_WANTED}; row {number} is none")
    return list(rows)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: Sequence[Any]


def values_of(rows: Sequence[Mapping[str, Any]], model: Model) -> dict[str, Array]:
    """Arrays by input, a row of each for each object. Rows are counted from 0, as in an array."""
    names = list(rows[0])
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise _uneven(number, row, rows[0])
    listed = [_Column(name, [row[name] for row in rows]) for name in names]
    table = columns.Table(names, listed, len(rows), _converted)
    return dict(columns.inputs_of(table, model.signature, features(model)))


def writer(rows: int) -> Encode:
    """Writes an answer for each row, in their order."""
    return partial(_as_rows, rows)


def _as_rows(rows: int, outputs: Mapping[str, Array]) -> Reply:
    if any(not array.ndim or len(array) != rows for array in outputs.values()):
        return as_json(BATCH, outputs)  # they are not of single rows
    listed = [_by_row(array, rows) for array in outputs.values()]
    return dump_json([dict(zip(outputs, values, strict=True)) for values in zip(*listed, strict=True)]), JSON, b""


def _by_row(array: Array, rows: int) -> Sequence[Any]:
    """What each row has of it: a value, or a list of several."""
    flat = array.reshape(rows) if array.size == rows else array
    if flat.dtype.kind in "OUS":
        listed: list[Any] = texts(flat)
        return listed
    return list(flat)


def _converted(column: _Column, tensor: Tensor) -> Array:
    try:
        return from_json(list(column.cells), tensor)
    except BadTensor as exc:
        raise _placed(column, tensor, exc) from None


def _placed(column: _Column, tensor: Tensor, whole: BadTensor) -> BadTensor:
    """The complaint, with the row that it is about."""
    for number, cell in enumerate(column.cells):
        try:
            from_json([cell], tensor)
        except BadTensor as exc:
            return _at(number, column.name, exc)
    return BadTensor(f'field "{column.name}": {whole.message}', **_told(column.name, whole))


def _at(number: int, name: str, exc: BadTensor) -> BadTensor:
    error = BadTensor(f'row {number}, field "{name}": {exc.message}', **_told(name, exc))
    error.details[0]["row"] = number
    return error


def _told(name: str, exc: BadTensor) -> dict[str, str]:
    detail = exc.details[0]
    return {"name": name, "wanted": detail["wanted"], "came": detail["came"]}


def _uneven(number: int, row: Mapping[str, Any], first: Mapping[str, Any]) -> InvalidInput:
    lacking = [name for name in first if name not in row]
    if lacking:
        return InvalidInput(
            f'row {number} has no field "{lacking[0]}", which row 0 has; send null for a missing value',
            details=[{"row": number, "input": lacking[0]}],
        )
    strange = next(name for name in row if name not in first)
    return InvalidInput(
        f'row {number} has a field "{strange}", which row 0 has not; all rows want the same fields',
        details=[{"row": number, "input": strange}],
    )
