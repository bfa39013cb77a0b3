"""A model's inputs as one table of numbers and back, as explainers want them: a column a number, texts as codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.tensors import DTYPES, Array

MANY = 512


class Table:
    """Texts that were not seen before get codes as they come."""

    def __init__(self, metadata: Metadata) -> None:
        self.tensors = [tensor for tensor in metadata.inputs if not tensor.optional]
        self.widths = [_width(tensor) for tensor in self.tensors]
        self._words: dict[str, list[Any]] = {t.name: [] for t in self.tensors if t.datatype == "BYTES"}
        self._codes: dict[str, dict[Any, int]] = {name: {} for name in self._words}

    @property
    def problem(self) -> str:
        """Why the model is no table, ``""`` where it is one."""
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            if not width or tensor.datatype not in (*DTYPES, "BYTES"):
                shape = list(tensor.shape) if tensor.shape is not None else "any"
                return f'input "{tensor.name}" is {tensor.datatype or "anything"} of shape {shape}'
        if not self.tensors:
            return "it does not declare its inputs"
        return f"it has {sum(self.widths)} columns, more than {MANY}" if sum(self.widths) > MANY else ""

    def rows(self, inputs: Mapping[str, Array]) -> Array:
        """One line for each row."""
        parts = []
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            array = np.asarray(inputs[tensor.name])
            flat = array.reshape(array.shape[0] if array.ndim else 1, width)
            parts.append(self._coded(tensor.name, flat) if tensor.name in self._words else flat.astype(np.float64))
        return np.concatenate(parts, axis=1)

    def inputs(self, rows: Array) -> dict[str, Array]:
        """The inputs that such lines stand for, of the declared datatypes and shapes."""
        found: dict[str, Array] = {}
        at = 0
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            part = rows[:, at : at + width]
            at += width
            words = self._words.get(tensor.name)
            if words is None:
                array = part.astype(DTYPES[tensor.datatype])
            else:
                array = np.array(words, dtype=np.object_)[part.astype(np.int64)]
            found[tensor.name] = array.reshape(len(rows), *(tensor.shape or (-1,))[1:])
        return found

    def by_input(self, values: Array) -> dict[str, Array]:
        """Values of (rows, columns, …) by the input that each column belongs to."""
        found: dict[str, Array] = {}
        at = 0
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            found[tensor.name] = values[:, at] if width == 1 else values[:, at : at + width]
            at += width
        return found

    def _coded(self, name: str, flat: Array) -> Array:
        codes, words = self._codes[name], self._words[name]
        for word in flat.reshape(-1).tolist():
            if word not in codes:
                codes[word] = len(words)
                words.append(word)
        return np.array([codes[word] for word in flat.reshape(-1).tolist()], dtype=np.float64).reshape(flat.shape)


def _width(tensor: Tensor) -> int:
    """Numbers in a row; 0: they can't be told."""
    if not tensor.shape:
        return 0
    return 0 if -1 in tensor.shape[1:] else math.prod(tensor.shape[1:])
