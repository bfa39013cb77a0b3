"""What a pipeline as a whole takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.flow import Flow, Port
from mlserve.runtime.pipeline.step import Step
from mlserve.runtime.processors.base import Metadata, Tensor


def metadata_of(steps: Sequence[Step], flow: Flow) -> Metadata:
    """The request's inputs, the answer's outputs; row-wise only where every step is."""
    outputs = tuple(_output(steps, flow, index) for index in range(len(flow.outputs or ())))
    inputs = tuple(_tensor(port) for port in flow.inputs)
    rows = (
        bool(inputs) and all(step.metadata.rows for step in steps) and all(_first_open(t) for t in (*inputs, *outputs))
    )
    last = len(steps) - 1
    return Metadata(
        inputs,
        outputs,
        "pipeline",
        rows=rows,
        open=flow.open,
        trusted=all(step.metadata.trusted for step in steps),
        streams=steps[last].metadata.streams and all(source.step == last for _, source in flow.outputs or ()),
        context=any(step.metadata.context for step in steps),
        facts=_facts(steps),
    )


def _output(steps: Sequence[Step], flow: Flow, index: int) -> Tensor:
    _, source = (flow.outputs or ())[index]
    labels = next((t.labels for t in steps[source.step].metadata.outputs if t.name == source.name), None)
    return _tensor(flow.ports[index], labels)


def _tensor(port: Port, labels: tuple[str, ...] | None = None) -> Tensor:
    return Tensor(port.name, port.datatype, port.shape, port.optional, labels)


def _first_open(tensor: Tensor) -> bool:
    return bool(tensor.shape) and tensor.shape is not None and tensor.shape[0] == -1


def _facts(steps: Sequence[Step]) -> Mapping[str, Any]:
    told = [dict(step.metadata.facts or {}) for step in steps]
    devices = [str(facts["device"]) for facts in told if facts.get("device", "cpu") != "cpu"]
    return {
        "steps": [{"name": step.name, "processor": step.processor} for step in steps],
        "versions": {name: version for facts in told for name, version in (facts.get("versions") or {}).items()},
        "threads": {name: count for facts in told for name, count in (facts.get("threads") or {}).items()},
        "device": devices[0] if devices else "cpu",
        "warnings": [warning for facts in told for warning in facts.get("warnings") or ()],
    }
