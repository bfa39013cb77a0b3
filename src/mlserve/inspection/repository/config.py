"""What a model's config.pbtxt says, and what is wrong with it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlserve.inspection.repository.prototext import Malformed, Message, parse

_FIELDS = frozenset(
    {
        "name", "platform", "backend", "runtime", "version_policy", "max_batch_size", "input", "output", "batch_input",
        "batch_output", "optimization", "dynamic_batching", "sequence_batching", "ensemble_scheduling",
        "instance_group", "default_model_filename", "cc_model_filenames", "metric_tags", "parameters", "model_warmup",
        "model_operations", "model_transaction_policy", "model_repository_agents", "response_cache", "model_metrics",
    }
)  # fmt: skip
_TENSOR = frozenset(
    {
        "name", "data_type", "format", "dims", "reshape", "is_shape_tensor", "allow_ragged_batch", "optional",
        "label_filename", "is_non_linear_format_io",
    }
)  # fmt: skip
_TYPES = frozenset(
    f"TYPE_{name}"
    for name in (
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
        "STRING", "BF16",
    )
)  # fmt: skip
_PLATFORMS = {
    "onnxruntime_onnx": "onnxruntime",
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
    "tensorflow_savedmodel": "tensorflow",
    "tensorflow_graphdef": "tensorflow",
    "ensemble": "ensemble",
}


@dataclass(frozen=True, slots=True)
class Config:
    """A model's configuration, as much of it as decides whether it can be loaded."""

    name: str = ""
    backend: str = ""
    file: str = ""
    """The model's file in each version folder, where it is not the backend's usual one."""
    steps: tuple[str, ...] = ()
    """The models that an ensemble calls."""
    versions: tuple[int, ...] = ()
    """Those that its policy names; empty: not one by one."""
    inputs: int = 0
    outputs: int = 0
    problems: tuple[str, ...] = field(default=())


def read(text: str) -> Config:
    """The configuration in a text; what is wrong with it is in ``problems``."""
    try:
        message = parse(text)
    except Malformed as exc:
        return Config(problems=(str(exc),))
    platform = message.text("platform")
    scheduling = message.messages("ensemble_scheduling")
    steps = tuple(step.text("model_name") for plan in scheduling for step in plan.messages("step"))
    policies = [policy for version in message.messages("version_policy") for policy in version.messages("specific")]
    return Config(
        name=message.text("name"),
        backend=message.text("backend") or _PLATFORMS.get(platform, "") or ("ensemble" if steps else ""),
        file=message.text("default_model_filename"),
        steps=steps,
        versions=tuple(
            version for policy in policies for version in policy.all("versions") if isinstance(version, int)
        ),
        inputs=len(message.messages("input")),
        outputs=len(message.messages("output")),
        problems=tuple(_problems(message, platform)),
    )


def _problems(message: Message, platform: str) -> Iterator[str]:
    yield from _unknown(message, _FIELDS, "")
    if platform and not message.text("backend") and platform not in _PLATFORMS:
        line, known = message.lines["platform"], ", ".join(sorted(_PLATFORMS))
        yield f'line {line}: platform "{platform}" is not one that Triton has ({known}); others are named by backend'
    size = message.text("max_batch_size")
    if size and not (size.isdecimal()):
        yield f"line {message.lines['max_batch_size']}: max_batch_size is a whole number from 0, not {size}"
    for plan in message.messages("ensemble_scheduling"):
        for step in plan.messages("step"):
            if step.text("model_version") in ("", "0"):
                line, name = min(step.lines.values(), default=0), step.text("model_name")
                yield f"line {line}: the step of {name} has no model_version: write model_version: -1 for the newest"
    for kind in ("input", "output"):
        for tensor in message.messages(kind):
            yield from _tensor(tensor, kind)
        if any(not isinstance(value, Message) for value in message.all(kind)):
            yield f"line {message.lines[kind]}: {kind} is a list of {{ name: … data_type: … dims: … }}"


def _tensor(tensor: Message, kind: str) -> Iterator[str]:
    yield from _unknown(tensor, _TENSOR, f"{kind} ")
    line = min(tensor.lines.values(), default=0)
    name = tensor.text("name")
    if not name:
        yield f"line {line}: an {kind} has no name"
    told = tensor.text("data_type")
    if told and told not in _TYPES:
        nearest = difflib.get_close_matches(told, _TYPES, n=1)
        did = f", the nearest is {nearest[0]}" if nearest else ""
        yield f"line {tensor.lines['data_type']}: data_type {told} of {kind} {name} is not one that Triton has{did}"
    for size in tensor.all("dims"):
        if not isinstance(size, int) or size < -1 or size == 0:
            line = tensor.lines["dims"]
            yield f"line {line}: dims of {kind} {name} are whole numbers from 1, or -1 for any, not {size}"


def _unknown(message: Message, known: frozenset[str], where: str) -> Iterator[str]:
    for name in message.values:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            did = f", the nearest is {nearest[0]}" if nearest else ""
            yield f"line {message.lines[name]}: {where}{name} is no field of a model's configuration{did}"
