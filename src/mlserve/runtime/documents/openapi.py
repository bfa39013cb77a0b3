"""The service's own OpenAPI document: its real inputs, and requests that work. The server is where this lies."""

from __future__ import annotations

from typing import Any

from mlserve.runtime.documents import tensors
from mlserve.runtime.documents.operations import get, named, post, refusal
from mlserve.runtime.media.layout import layout_of
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.abilities import generates
from mlserve.runtime.protocols.base import Model

_TABLES = ("text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
_PICTURES = ("image/jpeg", "image/png")
_MOST_LABELS = 20


def openapi(model: Model) -> dict[str, Any]:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": model.service,
            "version": str(model.version),
            "description": _about(model),
            "x-model": _tensors(model),
        },
        "servers": [{"url": ".", "description": "beside this document"}],
        "paths": _paths(model),
        "components": {
            "schemas": {"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}}
        },
    }


def _paths(model: Model) -> dict[str, Any]:
    """What can be asked of it: always, and by what it is and what its descriptor wishes."""
    v1, v2 = f"/v1/models/{model.service}", f"/v2/models/{model.service}"
    paths: dict[str, Any] = {
        "/eval": {"post": _eval(model)},
        "/describe": get("Inputs and outputs", "describe", {"type": "object", "required": ["inputs", "outputs"]}),
        f"{v2}/infer": {"post": _infer(model)},
        v2: get("The model in the Open Inference Protocol's words", "model_metadata", named("name", "inputs")),
        f"{v2}/config": get("Its configuration", "model_config", named("name", "max_batch_size")),
        f"{v2}/stats": get("What it has done", "statistics", named("model_stats")),
        f"{v2}/ready": get("Whether it answers", "model_ready", named("ready"), "503"),
        "/v2": get("The server", "server_metadata", named("name", "version", "extensions")),
        "/v2/health/live": get("Whether the process lives", "live", named("live")),
        "/v2/health/ready": get("Whether it takes requests", "ready", named("ready"), "503"),
        f"{v1}:predict": {"post": _predict(model)},
        v1: get("The versions of the model", "model_status", named("model_version_status")),
        f"{v1}/metadata": get("The model in TensorFlow Serving's words", "tf_metadata", named("metadata")),
    }
    if model.signature.metadata.raw:
        paths |= {"/eval": {"post": _raw(model, "eval")}, f"{v1}:predict": {"post": _raw(model, "predict")}}
    if generates(model):
        paths[f"{v2}/generate"] = {"post": _generate(model, "generate", "One answer", "application/json")}
        paths[f"{v2}/generate_stream"] = {
            "post": _generate(model, "generate_stream", "Each answer as it comes", "text/event-stream")
        }
    if "explain" in model.watched:
        paths["/explain"] = {"post": _explain(model)}
    if "drift" in model.watched:
        paths |= {"/drift": get("Whether inputs still look as in training", "drift", {"type": "object"})}
    return paths


def _eval(model: Model) -> dict[str, Any]:
    about = model.signature.metadata
    properties = {tensor.name: tensors.one_or_many(tensor) for tensor in about.inputs}
    body = {
        "type": "object",
        "properties": properties,
        "required": [tensor.name for tensor in model.signature.required],
        "additionalProperties": about.open,
    }
    examples = tensors.examples(model)
    example = {"example": tensors.eval_example(examples)} if examples else {}
    answers = {"application/json": {"schema": {"type": "object"}}, "multipart/form-data": {}}
    answers |= {kind: {} for kind in _TABLES[:2]}
    if len(about.outputs) == 1 and layout_of(about.outputs[0], _image(model)):
        answers |= {kind: {} for kind in _PICTURES}
    content: dict[str, Any] = {"application/json": {"schema": body, **example}}
    content |= {kind: {} for kind in (*_TABLES, "multipart/form-data", "application/octet-stream")}
    if takes_pictures(model):
        content |= {kind: {} for kind in _PICTURES}
    operation = post("Ask the model: tensors by input name, a batch or one row", "eval", content, answers)
    operation["responses"] |= {"406": refusal("Accept takes nothing of that."), "415": refusal("No such body here.")}
    return operation


def _explain(model: Model) -> dict[str, Any]:
    """Asked as /eval is."""
    answer = {"description": "The answer.", "content": {"application/json": {"schema": named("explanations")}}}
    operation = _eval(model)
    summary = "How much each input added to the answer"
    return {
        **operation,
        "summary": summary,
        "operationId": "explain",
        "responses": {**operation["responses"], "200": answer},
    }


def _infer(model: Model) -> dict[str, Any]:
    items = [
        {
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": {"const": tensor.name},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "datatype": {"const": tensor.datatype} if tensor.datatype else {"type": "string"},
                "data": tensors.flat(tensor),
            },
        }
        for tensor in model.signature.metadata.inputs
    ]
    listed = {"type": "array", "items": {"anyOf": items} if items else {"type": "object"}}
    body = {"type": "object", "required": ["inputs"], "properties": {"id": {"type": "string"}, "inputs": listed}}
    examples = tensors.examples(model)
    example = {"example": tensors.v2_example(examples)} if examples else {}
    answer = {"application/json": {"schema": named("model_name", "model_version", "outputs")}}
    content = {"application/json": {"schema": body, **example}, "application/octet-stream": {}}
    return post("Ask the model in the Open Inference Protocol", "infer", content, answer)


def _predict(model: Model) -> dict[str, Any]:
    about = model.signature.metadata
    by_name = {tensor.name: tensors.nested(tensor, tensor.shape) for tensor in about.inputs}
    columns = {"type": "object", "properties": by_name, "required": [t.name for t in model.signature.required]}
    body = {
        "type": "object",
        "properties": {"inputs": columns, "signature_name": {"const": "serving_default"}},
        "required": ["inputs"],
    }
    examples = tensors.examples(model)
    example = {"example": tensors.v1_example(examples)} if examples else {}
    answer = {"application/json": {"schema": {"type": "object"}}}
    content = {"application/json": {"schema": body, **example}}
    return post("Ask the model as TensorFlow Serving is asked", "predict", content, answer)


def _raw(model: Model, name: str) -> dict[str, Any]:
    """A processor that reads bodies itself: any bytes, or JSON of its own form."""
    anything = "*" in model.signature.metadata.raw
    content = {"*/*": {}} if anything else {"application/json": {"schema": {"type": "object"}}}
    return post("Ask the processor, which reads the body itself", name, content, {"*/*": {}})


def _generate(model: Model, name: str, summary: str, kind: str) -> dict[str, Any]:
    properties = {tensor.name: tensors.one_or_many(tensor) for tensor in model.signature.metadata.inputs}
    required = [tensor.name for tensor in model.signature.required]
    body = {"type": "object", "properties": properties, "required": required}
    schema = {"schema": named("model_name", "model_version")} if kind == "application/json" else {}
    content = {"application/json": {"schema": body}}
    operation = post(summary, name, content, {kind: schema})
    operation["responses"]["422"] = refusal("What was sent can't be used.")
    return operation


def takes_pictures(model: Model) -> bool:
    """Whether a picture alone is a request."""
    required = model.signature.required
    return len(required) == 1 and (required[0].datatype == "BYTES" or layout_of(required[0], _image(model)) is not None)


def _image(model: Model) -> dict[str, Any]:
    options = model.config.get("image")
    return options if isinstance(options, dict) else {}


def _about(model: Model) -> str:
    about = model.signature.metadata
    listed = [("input", tensor) for tensor in about.inputs] + [("output", tensor) for tensor in about.outputs]
    lines = [f"- {side} `{t.name}`: {t.datatype or 'any'}, {tensors.as_text(t)}" for side, t in listed]
    words = "-1 is any size. A missing number is null, both ways; NaN and Infinity are answered as null."
    return "\n".join([*lines, "", words])


def _tensors(model: Model) -> dict[str, Any]:
    """What the description says, for programs: the page for people is made of it."""
    about = model.signature.metadata
    return {
        "platform": about.platform or "a model",
        "inputs": [_tensor(tensor) for tensor in about.inputs],
        "outputs": [_tensor(tensor) for tensor in about.outputs],
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": None if tensor.shape is None else list(tensor.shape),
        "optional": tensor.optional,
        "labels": list(tensor.labels or ())[:_MOST_LABELS],
    }
