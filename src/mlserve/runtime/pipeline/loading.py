"""Load the steps of a pipeline and connect them by what they really take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlserve.flow import ENSEMBLE, Flow, Node, combined, connect
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.pipeline.metadata import metadata_of
from mlserve.runtime.pipeline.running import Pipeline
from mlserve.runtime.pipeline.step import Step
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.spec import Spec

_OF_STEP = ("processor", "model_path", "model_entry", "model_config", "processor_path", "processor_entry")


def load_pipeline(spec: Spec, load: Callable[[Spec], Loaded]) -> Pipeline:
    """The pipeline of a spec, every step loaded by ``load``."""
    steps = [_step(told, spec, load) for told in spec.pipeline]
    flow = connect([_node(told, step) for told, step in zip(spec.pipeline, steps, strict=True)])
    if flow.mistakes:
        raise _misfit(flow)
    return Pipeline(steps, flow, metadata_of(steps, flow))


def _step(told: Mapping[str, Any], spec: Spec, load: Callable[[Spec], Loaded]) -> Step:
    name = str(told["name"])
    own: dict[str, Any] = {key: told.get(key) for key in _OF_STEP}
    alone = replace(spec, **own, pipeline=(), conversion=None)
    try:
        loaded = load(alone)
    except StartFailure as exc:
        raise StartFailure(exc.cause, f'step "{name}": {exc.reason}', exc.hint) from exc.__cause__
    except Exception as exc:
        from mlserve.runtime.failures.diagnosis import diagnosis  # only when something has failed

        cause, reason, hint = diagnosis(exc, alone, "load")
        raise StartFailure(cause, f'step "{name}": {reason}', hint) from exc
    return Step(name, str(told["processor"]), loaded, loaded.metadata())


def _node(told: Mapping[str, Any], step: Step) -> Node:
    about = step.metadata
    wiring: dict[str, Any] = {"takes": dict(told.get("inputs") or {}), "gives": dict(told.get("outputs") or {})}
    if step.processor == ENSEMBLE:
        config = getattr(step.loaded, "config", {})
        return Node(step.name, None, lambda fed: combined(config, fed), **wiring)
    return Node(step.name, about.inputs, about.outputs or None, open=about.open, **wiring)


def _misfit(flow: Flow) -> StartFailure:
    said = "; ".join(mistake.message for mistake in flow.mistakes[:3])
    return StartFailure("bad-entry", said, "correct the steps' inputs and outputs; mlserve validate shows the same")
