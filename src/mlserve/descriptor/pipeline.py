"""A pipeline: steps whose outputs feed the next ones. Its words, and the mistakes that no file has to be read for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from mlserve.descriptor.base import Text, Words
from mlserve.flow import ENSEMBLE, REQUEST, Mistake, Node, combined, connect

STEP_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"
MOST_STEPS = 64
_ENTRY = re.compile(r"[^:\0]+\.py(:[A-Za-z_]\w*)?")


def _listed(value: Any) -> Any:
    """``["label"]`` means ``{"label": "label"}``."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    return value


Outputs = Annotated[
    dict[str, str],
    BeforeValidator(_listed),
    WithJsonSchema(
        {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"items": {"type": "string"}}]}
    ),
]


class Step(Words):
    """One step: a model with its processor, or your own code."""

    name: str = Field(pattern=rf"^{STEP_NAME}$")
    """What other steps call it."""
    processor: Text = None
    """What runs the model: a format (onnx, sklearn, …), or ensemble, which combines what several steps gave."""
    processor_type: Literal["python", "cpp"] | None = None
    """The language of your own code."""
    processor_path: Text = None
    """Your code's folder or archive."""
    processor_entry: Text = None
    """Its file and class or function: "steps.py:tokenize"."""
    model_path: Text = None
    """The model's file or folder: a path or an address."""
    model_entry: Text = None
    """The file below model_path to load."""
    config: str | dict[str, Any] | None = Field(default=None, alias="model_config")
    """Handed to the step's load()."""
    inputs: dict[str, str] = Field(default={}, max_length=256)
    """The step's input → where it comes from: "step.output" or "request.name". Left out: by equal name, else the only
    output of the step before for the only input."""
    outputs: Outputs = Field(default={}, max_length=256)
    """Name in the answer → this step's output. Where no step has any, the last one's outputs are the answer."""

    @property
    def kind(self) -> str:
        """The word for what runs it."""
        return self.processor or self.processor_type or ""


def mistakes_of(steps: tuple[Step, ...]) -> Iterator[Mistake]:
    """What is wrong by the descriptor alone."""
    if len(steps) > MOST_STEPS:
        yield Mistake((), f"a pipeline has {MOST_STEPS} steps at most; this one has {len(steps)}")
    seen: set[str] = set()
    for index, step in enumerate(steps):
        if step.name == REQUEST:
            yield Mistake((index, "name"), f'"{REQUEST}" means what a request brings: give the step another name')
        elif step.name in seen:
            yield Mistake((index, "name"), f'two steps are called "{step.name}": rename one')
        seen.add(step.name)
        yield from _of_step(index, step)
    if len(seen) == len(steps):
        yield from connect([node_of(step) for step in steps]).mistakes


def node_of(step: Step) -> Node:
    """The step as the flow knows it before any file is read."""
    derive = (lambda fed: combined(_config(step), fed)) if step.kind == ENSEMBLE else None
    return Node(step.name, None, derive, step.inputs, step.outputs)


def _of_step(index: int, step: Step) -> Iterator[Mistake]:
    if step.processor and step.processor_type and step.processor != step.processor_type:
        yield Mistake((index, "processor_type"), "processor and processor_type are two ways to run a step: keep one")
    elif not step.kind:
        yield Mistake((index,), f'step "{step.name}" says nothing to run: give processor, or processor_type python')
    elif step.kind in ("python", "cpp"):
        yield from _own_code(index, step)
    elif step.processor_entry or step.processor_path:
        name = "processor_entry" if step.processor_entry else "processor_path"
        yield Mistake((index, name), f"{name} belongs to your own code: it needs processor_type python or cpp")
    elif step.kind == ENSEMBLE:
        if step.model_path:
            yield Mistake((index, "model_path"), "an ensemble combines what other steps gave: it has no model")
    elif not step.model_path:
        yield Mistake((index, "model_path"), f'step "{step.name}": processor "{step.kind}" needs model_path')
    if step.model_entry and not step.model_path:
        yield Mistake((index, "model_entry"), "model_entry is looked for below model_path, and there is none")
    for name in ("model_entry", "processor_entry"):
        value = getattr(step, name) or ""
        if value.startswith("/") or ".." in value.split("/"):
            yield Mistake((index, name), f"{name} is a file below {name.partition('_')[0]}_path")


def _own_code(index: int, step: Step) -> Iterator[Mistake]:
    if not step.processor_path:
        yield Mistake((index, "processor_path"), f'step "{step.name}" needs processor_path, the folder of your code')
    if step.kind == "cpp":
        return
    if not step.processor_entry and not (step.processor_path or "").endswith(".py"):
        example = '"steps.py:tokenize" (a function) or "steps.py:Tokenizer" (a class)'
        yield Mistake((index, "processor_entry"), f'step "{step.name}" needs processor_entry, such as {example}')
    elif step.processor_entry and not _ENTRY.fullmatch(step.processor_entry):
        message = 'processor_entry is a file below processor_path, and a class or function of it: "steps.py:tokenize"'
        yield Mistake((index, "processor_entry"), message)


def _config(step: Step) -> dict[str, Any]:
    config = step.config
    if isinstance(config, str):
        try:
            config = json.loads(config)
        except ValueError:
            return {}
    return config if isinstance(config, dict) else {}
