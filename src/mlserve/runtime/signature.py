"""What the loaded model takes, prepared for checking each request before it is queued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.tensors import DTYPES, FINITE, Array, BadTensor, check_shape, wanted


@dataclass(frozen=True, slots=True)
class Single:
    """An input that one number can stand for."""

    dtype: np.dtype[Any]
    rank: int
    limit: float


class Signature:
    """The inputs by name. A request that passes here can't spoil the batch it lands in."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.inputs = {tensor.name: tensor for tensor in metadata.inputs}
        self.required = [tensor for tensor in metadata.inputs if not tensor.optional]
        self.rows = metadata.rows
        self.singles = {tensor.name: single for tensor in metadata.inputs if (single := _single(tensor))}
        """Inputs for which the quickest way from JSON is open."""
        self._names = self.inputs.keys()

    def tensor(self, name: str) -> Tensor:
        """The declared input of this name, or one that takes anything where the model is open to it."""
        found = self.inputs.get(name)
        if found is not None:
            return found
        if self.metadata.open:
            return Tensor(name, "", None)
        known = ", ".join(self.inputs)
        raise BadTensor(
            f'no input "{name}" (inputs: {known})', name=name, wanted=f"one of {known}", came=f'an input named "{name}"'
        )

    def check_names(self, came: Mapping[str, Any]) -> None:
        """Every required input came, and none that the model does not know."""
        if came.keys() == self._names:
            return
        for name in came:
            self.tensor(name)
        for tensor in self.required:
            if tensor.name not in came:
                raise _missing(tensor, came)

    def check(self, inputs: Mapping[str, Array]) -> None:
        """Names and shapes."""
        self.check_names(inputs)
        for name, array in inputs.items():
            tensor = self.inputs.get(name)
            if tensor is not None:
                check_shape(array, tensor)

    def count(self, inputs: Mapping[str, Array]) -> int:
        """How many rows the inputs hold, 1 where rows mean nothing; raises where inputs disagree."""
        if not self.rows:
            return 1
        count, first = -1, ""
        for name, array in inputs.items():
            if not array.ndim:
                continue  # an input that the model does not declare: what it means is the processor's business
            here = array.shape[0]
            if count == -1:
                count, first = here, name
            elif here != count:
                raise BadTensor(
                    f'input "{name}" has {here} rows and "{first}" has {count}; all inputs want as many',
                    name=name, wanted=f"{count} rows", came=f"{here} rows",
                )  # fmt: skip
        return count if count >= 0 else 1


def no_rows(metadata: Metadata) -> dict[str, Array] | None:
    """The outputs for inputs without rows; ``None`` where the model does not say how they would look."""
    outputs = metadata.outputs
    if not metadata.rows or not outputs or any(not t.datatype or not t.shape for t in outputs):
        return None
    return {t.name: np.empty((0, *(max(size, 0) for size in (t.shape or ())[1:])), DTYPES[t.datatype]) for t in outputs}


def _single(tensor: Tensor) -> Single | None:
    dtype = DTYPES.get(tensor.datatype)
    if dtype not in FINITE or tensor.shape is None or any(size not in (-1, 1) for size in tensor.shape):
        return None
    return Single(dtype, len(tensor.shape), FINITE[dtype])


def _missing(tensor: Tensor, came: Mapping[str, Any]) -> BadTensor:
    want = wanted(tensor)
    names = ", ".join(came) or "no input"
    return BadTensor(
        f'input "{tensor.name}" is missing; it wants {want}; came: {names}',
        name=tensor.name,
        wanted=want,
        came="nothing",
    )
