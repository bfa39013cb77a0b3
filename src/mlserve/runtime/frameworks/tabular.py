"""Rows for tabular models: one input with every column, or one input a column, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.runtime.processors.base import Arrays, Tensor


def matrix(inputs: Arrays, names: Sequence[str]) -> Any:
    """All columns as one array in the order of ``names``; without names it is the input named "input"."""
    import numpy as np

    return np.concatenate([inputs[name] for name in names], axis=1) if names else inputs["input"]


def coded(inputs: Arrays, categories: Mapping[str, Mapping[Any, float]]) -> dict[str, Any]:
    """Columns of categories as the numbers the model knows them by; one it has not seen is a missing value."""
    import numpy as np

    columns = {}
    for name, codes in categories.items():
        values = [codes.get(_word(value), np.nan) for value in inputs[name].ravel().tolist()]
        columns[name] = np.array(values, dtype=np.float64).reshape(-1, 1)
    return columns


def category_type(codes: Mapping[Any, float]) -> str:
    """The datatype of a column of categories."""
    return "BYTES" if all(isinstance(value, str) for value in codes) else "FP64"


def _word(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def class_words(classes: Sequence[Any]) -> tuple[str, ...] | None:
    """Classes as labels of a tensor, where they say more than their place does."""
    words = tuple(str(item) for item in classes)
    return words if words != tuple(str(place) for place in range(len(words))) else None


def label(classes: Any) -> Tensor:
    """The output that names one class a row; ``classes`` is a numpy array of them."""
    datatype = {"i": "INT64", "u": "INT64", "f": "FP64", "b": "BOOL"}.get(classes.dtype.kind, "BYTES")
    return Tensor("label", datatype, (-1,))


def zeros(tensor: Tensor, rows: int) -> Any:
    """So many rows of nothing for a tensor: zeros, or empty texts; open sizes are 1."""
    import numpy as np

    from mlserve.runtime.tensors import DTYPES

    shape = (rows, *(max(size, 1) for size in (tensor.shape or (-1,))[1:]))
    return (
        np.full(shape, "", dtype=np.object_) if tensor.datatype == "BYTES" else np.zeros(shape, DTYPES[tensor.datatype])
    )
