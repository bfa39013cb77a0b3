"""Tables as inputs: a column for each input by name, or all columns side by side as the one input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.signature import Signature
from mlserve.runtime.tensors import Array, bad

_INDEXES = ("", "Unnamed: 0", "__index_level_0__")
"""What pandas calls a column of row numbers that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Table:
    """What was sent."""

    names: Sequence[str] | None
    """``None``: columns are told by their order."""
    columns: Sequence[Any]
    rows: int
    convert: Callable[[Any, Tensor], Array]
    """A column as an array of the tensor's datatype, its first axis the rows; complaints name the tensor."""


def inputs_of(table: Table, signature: Signature, features: Sequence[str] | None) -> dict[str, Array]:
    """The inputs. ``features``: names of the columns of a single input, in the order the model wants."""
    declared = signature.metadata.inputs
    names = _names(table, signature, features)
    if not declared and not signature.metadata.open:
        raise InvalidInput("this model has no inputs that a table could fill")
    if len(declared) == 1 and not (len(table.columns) == 1 and names in (None, [declared[0].name])):
        return {declared[0].name: side_by_side(table, declared[0], features)}
    if names is None:
        names = [tensor.name for tensor in declared]
        if len(names) != len(table.columns):
            raise InvalidInput(
                f"the table has {len(table.columns)} columns; {len(names)} are wanted: {', '.join(names)}"
            )
    columns = dict(zip(names, table.columns, strict=True))
    if len(columns) != len(names):
        raise InvalidInput("two columns of the table have the same name")
    columns = {name: column for name, column in columns.items() if name not in _INDEXES or name in signature.inputs}
    signature.check_names(columns)
    return {name: _one(table, column, signature.tensor(name)) for name, column in columns.items()}


def _names(table: Table, signature: Signature, features: Sequence[str] | None) -> list[str] | None:
    if table.names is not None:
        return list(table.names)
    if signature.metadata.inputs or features:
        return None
    raise InvalidInput("the columns of the table have no names, and the model declares none: send a header")


def _one(table: Table, column: Any, tensor: Tensor) -> Array:
    """A column as a whole input: one value a row, or lists of them where the table has such."""
    array = table.convert(column, tensor)
    want = tensor.shape
    if want is None or array.ndim == len(want):
        return array
    if array.ndim == 1 and all(size in (-1, 1) for size in want[1:]):
        return array.reshape((table.rows, *(1,) * (len(want) - 1)))
    if all(size > 0 for size in want[1:]) and array.size == table.rows * prod(want[1:]):
        return array.reshape((table.rows, *want[1:]))
    raise bad(tensor, f"a column with {array.size // max(table.rows, 1)} values a row")


def side_by_side(table: Table, tensor: Tensor, features: Sequence[str] | None) -> Array:
    """All columns as one array, in the order of ``features`` where the table has a header."""
    names = None if table.names is None else list(table.names)
    columns: Sequence[Any] = table.columns
    if names is not None:
        columns = [column for name, column in zip(names, columns, strict=True) if name not in _INDEXES]
        names = [name for name in names if name not in _INDEXES]
        if features:
            columns = _ordered(columns, names, tensor, features)
    want = tensor.shape
    width = prod(want[1:]) if want is not None and -1 not in want[1:] else len(columns)
    if want is not None and (not want or width != len(columns)):
        raise bad(tensor, f"a table of {len(columns)} columns")
    arrays = [table.convert(column, tensor) for column in columns]
    if any(array.ndim != 1 for array in arrays):
        raise bad(tensor, "a table with lists in its columns")
    matrix = np.stack(arrays, axis=1) if arrays else np.empty((table.rows, 0))
    if want is None or len(want) == 2:
        return matrix
    if -1 in want[1:]:
        raise bad(tensor, "a table, whose columns fill no such shape")
    return matrix.reshape((table.rows, *want[1:]))


def _ordered(columns: Sequence[Any], names: list[str], tensor: Tensor, features: Sequence[str]) -> list[Any]:
    by_name = dict(zip(names, columns, strict=True))
    if missing := [name for name in features if name not in by_name]:
        raise bad(tensor, f"a table without the column {', '.join(missing)} (columns: {', '.join(names)})")
    if strange := [name for name in names if name not in features]:
        raise bad(tensor, f"a table with the column {', '.join(strange)} (columns wanted: {', '.join(features)})")
    return [by_name[name] for name in features]
