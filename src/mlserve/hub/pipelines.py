"""What the files of a pipeline's steps say, and whether the steps fit together by it. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve.descriptor import Descriptor, node_of
from mlserve.descriptor.pointers import pointer_of
from mlserve.errors import InvalidDescriptor, InvalidInput
from mlserve.flow import Wire, connect
from mlserve.inspection import Finding

Examine = Callable[[Mapping[str, str], str | None], Finding | None]
_DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
    "string": "BYTES",
}  # fmt: skip


def examine_steps(descriptor: Descriptor, paths: Mapping[str, str], examine: Examine) -> Finding:
    """One finding for all steps; raises InvalidInput and InvalidDescriptor that name the step's field."""
    findings = [_of_step(index, descriptor, paths, examine) for index in range(len(descriptor.pipeline))]
    nodes = [
        replace(node_of(step), inputs=_wires(finding.inputs), outputs=_wires(finding.outputs), open=False)
        if finding and finding.inputs and finding.outputs
        else node_of(step)
        for step, finding in zip(descriptor.pipeline, findings, strict=True)
    ]
    flow = connect(nodes)
    if flow.mistakes:
        raise InvalidDescriptor(
            "; ".join(mistake.message for mistake in flow.mistakes[:3]),
            hint="correct the steps' inputs and outputs",
            details=[
                {"pointer": pointer_of(("pipeline", *m.place)), "code": "invalid", "message": m.message}
                for m in flow.mistakes
            ],
        )
    shown = " → ".join(step.name for step in descriptor.pipeline)
    versions, notes = _versions(findings)
    code = [
        f'step "{step.name}": {finding.runs_code}'
        for step, finding in zip(descriptor.pipeline, findings, strict=True)
        if finding and finding.runs_code
    ]
    more = tuple(dict.fromkeys(package for finding in findings if finding for package in finding.requirements))
    notes = [f"{len(nodes)} steps ({shown})", *notes]
    return Finding(
        format="pipeline", versions=versions, requirements=more, runs_code="; ".join(code), notes=tuple(notes)
    )


def _of_step(index: int, descriptor: Descriptor, paths: Mapping[str, str], examine: Examine) -> Finding | None:
    pointer = f"/pipeline/{index}/model_path"
    step = descriptor.pipeline[index]
    if pointer not in paths:
        return None
    try:
        return examine({"/model_path": paths[pointer]}, step.model_entry)
    except InvalidInput as exc:
        told = [{**detail, "pointer": pointer} for detail in exc.details or [{"message": exc.message}]]
        raise InvalidInput(f'step "{step.name}": {exc.message}', hint=exc.hint, details=told) from exc


def _versions(findings: Sequence[Finding | None]) -> tuple[dict[str, str], list[str]]:
    """One version of each library serves all steps: that of the first step which was saved with it."""
    versions: dict[str, str] = {}
    notes = []
    for finding in filter(None, findings):
        for name, number in finding.versions.items():
            if versions.setdefault(name, number) != number:
                notes.append(f"steps were saved with {name} {versions[name]} and {number}: the first one is installed")
    return versions, notes


def _wires(tensors: tuple[Mapping[str, Any], ...]) -> tuple[Wire, ...]:
    return tuple(
        Wire(
            str(tensor["name"]),
            _DATATYPES.get(str(tensor.get("type")), ""),
            None if tensor.get("shape") is None else tuple(tensor["shape"]),
        )
        for tensor in tensors
    )
