"""Which numbers of a request are compared with which column of a sample. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.tensors import Array

_MANY = 512


@dataclass(frozen=True, slots=True)
class Column:
    """One number or word of each row."""

    name: str
    """For people: the input's, or the sample's own."""
    tensor: str
    at: int
    """Its place in a row of the tensor."""
    output: bool
    reference: Array


def match(sample: Mapping[str, Array], metadata: Metadata, fields: Sequence[str] | None) -> list[Column]:
    """The columns to watch. Raises StartFailure where the sample and the model have nothing in common."""
    found = _matched(sample, metadata)
    kept = [column for column in found if _wanted(column, fields)]
    unknown = [name for name in fields or () if not any(name in (c.name, c.tensor) for c in kept)]
    known = ", ".join(dict.fromkeys(column.name for column in found)) or "none"
    if unknown or not kept:
        what = f"monitor.drift.fields has {unknown[0]!r}, which is" if unknown else "no column of the sample is"
        raise StartFailure(
            "bad-sample",
            f"{what} not an input or output of the model that the sample has (columns: {known}; sample: "
            f"{', '.join(list(sample)[:20])}; inputs: {', '.join(t.name for t in metadata.inputs) or 'not declared'})",
            "name the sample's columns as the model's inputs are named",
        )
    if len(kept) > _MANY:
        raise StartFailure(
            "bad-sample",
            f"{len(kept)} columns are too many to watch (at most {_MANY})",
            'choose some with "fields"',
        )
    return kept


def assembled(sample: Mapping[str, Array], metadata: Metadata) -> dict[str, Array] | None:
    """The sample as inputs of the model, of their datatypes; ``None`` where it lacks one of them."""
    from mlserve.runtime.tensors import DTYPES

    wide = _wide(sample, metadata)
    inputs: dict[str, Array] = {}
    for tensor in metadata.inputs:
        array = sample.get(tensor.name)
        if array is None and wide is not None and wide[0].name == tensor.name:
            import numpy as np

            array = np.stack([sample[name] for name in wide[1]], axis=1)
        if array is None:
            if tensor.optional:
                continue
            return None
        width = [size for size in (tensor.shape or ())[1:] if size > 0]
        if tensor.shape and len(tensor.shape) > array.ndim and math.prod(width) == 1:
            array = array.reshape(len(array), *(1,) * (len(tensor.shape) - 1))
        inputs[tensor.name] = array.astype(DTYPES[tensor.datatype]) if tensor.datatype in DTYPES else array
    return inputs or None


def _matched(sample: Mapping[str, Array], metadata: Metadata) -> list[Column]:
    sides = [(tensor, False) for tensor in metadata.inputs] + [(tensor, True) for tensor in metadata.outputs]
    found = [
        column
        for tensor, output in sides
        if tensor.name in sample
        for column in _of(tensor.name, sample[tensor.name], output=output)
    ]
    wide = _wide(sample, metadata)
    if wide is not None:
        found += [Column(name, wide[0].name, at, False, sample[name]) for at, name in enumerate(wide[1])]
    if metadata.open:  # a processor that declares nothing takes what comes
        known = {tensor.name for tensor, _ in sides} | {column.name for column in found}
        found += [c for name, array in sample.items() if name not in known for c in _of(name, array, output=False)]
    return found


def _of(name: str, array: Array, *, output: bool) -> list[Column]:
    flat = array.reshape(len(array), -1)
    width = flat.shape[1]
    return [Column(name if width == 1 else f"{name}[{at}]", name, at, output, flat[:, at]) for at in range(width)]


def _wide(sample: Mapping[str, Array], metadata: Metadata) -> tuple[Tensor, list[str]] | None:
    """A model with one table as its only input, and a sample that has a name for each column of the table, in order."""
    if len(metadata.inputs) != 1 or metadata.inputs[0].name in sample:
        return None
    tensor = metadata.inputs[0]
    outputs = {output.name for output in metadata.outputs}
    names = [name for name, array in sample.items() if name not in outputs and array.ndim == 1]
    width = math.prod(tensor.shape[1:]) if tensor.shape and -1 not in tensor.shape[1:] else 0
    return (tensor, names[:width]) if width and len(names) in (width, width + 1) else None  # one more: what was learnt


def _wanted(column: Column, fields: Sequence[str] | None) -> bool:
    return fields is None or column.name in fields or column.tensor in fields
