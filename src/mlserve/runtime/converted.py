"""What a converted ONNX model says of itself: all that the processor it was made for would have said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Arrays, Metadata, Tensor
from mlserve.runtime.tensors import DTYPES, Array

PROPERTY = "mlserve.signature"
"""The key in the model's own properties."""


_FEW = 16
"""Numbers that plain Python compares quicker than numpy."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Which numbers an input of a converted model takes."""

    most: float
    """The largest one, with either sign; infinite: any."""
    missing: bool = True
    """A missing number, too."""

    def admits(self, array: Array) -> bool:
        """All of these."""
        most = self.most
        if array.size <= _FEW:
            for value in array.ravel().tolist():
                if not -most <= value <= most and not (self.missing and value != value):  # NaN alone
                    return False
            return True
        size = np.abs(array)
        return not bool((size > most).any()) if self.missing else bool((size <= most).all())


def signature_text(
    metadata: Metadata, *, limits: Mapping[str, Limit] | None = None, absent: Mapping[str, Any] | None = None
) -> str:
    """The names, datatypes, shapes, labels and options of a native processor, as text.

    ``limits``: the numbers an input takes, where not any. ``absent``: what the graph takes for an input left out.
    """
    tensors = {key: [asdict(tensor) for tensor in getattr(metadata, key)] for key in ("inputs", "outputs")}
    told = {name: asdict(limit) for name, limit in (limits or {}).items()}
    return json.dumps({**tensors, "rows": metadata.rows, "limits": told, "absent": dict(absent or {})})


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


def limits_of(properties: Mapping[str, str]) -> dict[str, Limit]:
    """By input, the numbers that the model takes; one that is not named takes any."""
    told = json.loads(properties.get(PROPERTY, "{}")).get("limits", {})
    return {name: Limit(**limit) for name, limit in told.items()}


def require_within(inputs: Arrays, limits: Mapping[str, Limit]) -> None:
    """Raise InvalidInput where an input holds a number that it does not take."""
    for name, limit in limits.items():
        if not limit.admits(inputs[name]):
            raise InvalidInput(
                f'input "{name}" holds {_unwelcome(inputs[name], limit)}, and this model takes none',
                hint="fill it in before, or put an imputer into the model",
            )


def _unwelcome(array: Array, limit: Limit) -> str:
    if np.isfinite(array).all():
        return f"a number beyond ±{limit.most:.2g}"
    return "an infinite number" if limit.missing else "a missing or infinite number"


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
