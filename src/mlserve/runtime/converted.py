"""What a converted ONNX model says of itself: all that the processor it was made for would have said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Arrays, Metadata, Tensor
from mlserve.runtime.tensors import DTYPES

PROPERTY = "mlserve.signature"
"""The key in the model's own properties."""


def signature_text(metadata: Metadata, *, finite: bool = False, absent: Mapping[str, Any] | None = None) -> str:
    """The names, datatypes, shapes, labels and options of a native processor, as text.

    ``finite``: it refuses missing and infinite numbers. ``absent``: what the graph takes for an input left out.
    """
    tensors = {key: [asdict(tensor) for tensor in getattr(metadata, key)] for key in ("inputs", "outputs")}
    return json.dumps({**tensors, "rows": metadata.rows, "finite": finite, "absent": dict(absent or {})})


def restored(properties: Mapping[str, str], found: Metadata) -> Metadata:
    """What was found in the graph, in the words of the processor that it stands for; unchanged for any other model."""
    text = properties.get(PROPERTY)
    if text is None:
        return found
    told = json.loads(text)
    inputs, outputs = ([_tensor(one) for one in told[key]] for key in ("inputs", "outputs"))
    return replace(found, inputs=tuple(inputs), outputs=tuple(outputs), rows=bool(told["rows"]))


def completed(properties: Mapping[str, str], metadata: Metadata) -> Callable[[Arrays], Arrays] | None:
    """Fills in what was left out, each value as the graph knows it; ``None`` where nothing may be."""
    absent = json.loads(properties.get(PROPERTY, "{}")).get("absent")
    if not absent:
        return None
    ends = {
        tensor.name: (absent[tensor.name], DTYPES[tensor.datatype]) for tensor in metadata.inputs if tensor.optional
    }

    def fill(inputs: Arrays) -> Arrays:
        rows = len(next(iter(inputs.values()))) if inputs else 1
        missing = {name: end for name, end in ends.items() if name not in inputs}
        return {**inputs, **{name: np.full((rows, 1), value, dtype) for name, (value, dtype) in missing.items()}}

    return fill


def only_finite(properties: Mapping[str, str]) -> frozenset[str]:
    """The inputs in which the native library refuses missing and infinite numbers."""
    told = json.loads(properties.get(PROPERTY, "{}"))
    inputs = told["inputs"] if told.get("finite") else ()
    return frozenset(one["name"] for one in inputs if one["datatype"].startswith("FP"))


def require_finite(inputs: Arrays, names: Iterable[str]) -> None:
    """Raise InvalidInput where one of these holds a missing or an infinite number."""
    for name in names:
        if not np.isfinite(inputs[name]).all():
            raise InvalidInput(
                f'input "{name}" holds a missing or infinite number, and this model takes none',
                hint="fill it in before, or put an imputer into the model",
            )


def _tensor(told: Mapping[str, Any]) -> Tensor:
    shape, labels = told["shape"], told["labels"]
    return Tensor(
        told["name"],
        told["datatype"],
        tuple(shape) if shape is not None else None,
        told["optional"],
        tuple(labels) if labels is not None else None,
        bool(told.get("missing")),
    )
