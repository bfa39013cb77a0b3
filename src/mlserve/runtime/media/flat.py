"""Outputs as the columns of a table: one for each value of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import Array


def flat_columns(outputs: Mapping[str, Array], tensors: Mapping[str, Tensor] | None = None) -> dict[str, Array]:
    """By output; those with several values a row as ``name_LABEL`` where ``tensors`` know labels, else by index."""
    rows = common_rows(outputs)
    columns: dict[str, Array] = {}
    for name, array in outputs.items():
        flat = array.reshape(rows, -1) if array.size else array.reshape(rows, 0 if rows else max(1, _width(array)))
        if flat.shape[1] == 1:
            columns[name] = flat[:, 0]
        else:
            words = _words((tensors or {}).get(name), flat.shape[1])
            columns |= {f"{name}_{word}": flat[:, index] for index, word in enumerate(words)}
    return columns


def _words(tensor: Tensor | None, width: int) -> Sequence[object]:
    """What tells its columns apart: labels, where there is one for each and no two are alike."""
    labels = tensor.labels if tensor is not None else None
    return labels if labels and len(set(labels)) == len(labels) == width else range(width)


def common_rows(outputs: Mapping[str, Array]) -> int:
    """How many rows all outputs have."""
    counts = {len(array) if array.ndim else 1 for array in outputs.values()}
    if len(counts) == 1:
        return counts.pop()
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in outputs.items())
    raise InvalidInput(f"the outputs are no table, for they have not as many rows: {shapes}; ask for JSON")


def _width(array: Array) -> int:
    width = 1
    for size in array.shape[1:]:
        width *= size
    return width
