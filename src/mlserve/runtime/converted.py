"""What a converted ONNX model says of itself: all that the processor it was made for would have said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from mlserve.runtime.processors.base import Metadata, Tensor

PROPERTY = "mlserve.signature"
"""The key in the model's own properties."""


def signature_text(metadata: Metadata) -> str:
    """The names, datatypes, shapes, labels and options of a native processor, as text."""
    tensors = {key: [asdict(tensor) for tensor in getattr(metadata, key)] for key in ("inputs", "outputs")}
    return json.dumps({**tensors, "rows": metadata.rows})


def restored(properties: Mapping[str, str], found: Metadata) -> Metadata:
    """What was found in the graph, in the words of the processor that it stands for; unchanged for any other model."""
    text = properties.get(PROPERTY)
    if text is None:
        return found
    told = json.loads(text)
    inputs, outputs = ([_tensor(one) for one in told[key]] for key in ("inputs", "outputs"))
    return replace(found, inputs=tuple(inputs), outputs=tuple(outputs), rows=bool(told["rows"]))


def _tensor(told: Mapping[str, Any]) -> Tensor:
    shape, labels = told["shape"], told["labels"]
    return Tensor(
        told["name"],
        told["datatype"],
        tuple(shape) if shape is not None else None,
        told["optional"],
        tuple(labels) if labels is not None else None,
    )
