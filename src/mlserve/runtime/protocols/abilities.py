"""What a model is able to do besides giving one answer to tensors."""

from __future__ import annotations

from mlserve.runtime.protocols.base import Model


def generates(model: Model) -> bool:
    """Whether generate and generate_stream mean something for a model."""
    metadata = model.signature.metadata
    return metadata.streams or "text_input" in model.signature.inputs or (metadata.open and not metadata.inputs)
