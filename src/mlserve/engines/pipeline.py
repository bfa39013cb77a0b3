"""A pipeline's steps as the runtime takes them, and the processor of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.descriptor import Descriptor
from mlserve.engines.base import Artifacts
from mlserve.engines.catalogue import ProcessorEntry, resolve
from mlserve.errors import InvalidDescriptor

PIPELINE = "pipeline"
"""What the processor of such a service is called."""


def entries(descriptor: Descriptor) -> Sequence[ProcessorEntry]:
    """The processor of each step; raises InvalidDescriptor that names the step's field."""
    return [_entry(index, step.kind) for index, step in enumerate(descriptor.pipeline)]


def steps_of(descriptor: Descriptor, artifacts: Artifacts) -> list[Mapping[str, Any]]:
    """The steps with absolute paths; empty where the descriptor has no pipeline."""
    return [
        {
            "name": step.name,
            "processor": _entry(index, step.kind).name,
            "model_path": artifacts.at(f"/pipeline/{index}/model_path"),
            "model_entry": step.model_entry,
            "model_config": step.config,
            "processor_path": artifacts.at(f"/pipeline/{index}/processor_path"),
            "processor_entry": step.processor_entry,
            "inputs": step.inputs,
            "outputs": step.outputs,
        }
        for index, step in enumerate(descriptor.pipeline)
    ]


def _entry(index: int, word: str) -> ProcessorEntry:
    try:
        return resolve(word)
    except InvalidDescriptor as exc:
        pointer = f"/pipeline/{index}/processor"
        raise InvalidDescriptor(
            exc.message, hint=exc.hint, details=[{**detail, "pointer": pointer} for detail in exc.details]
        ) from exc
