"""The service's own OpenAPI document: its real inputs, and requests that work. The server is where this lies."""

from __future__ import annotations

from typing import Any

from mlserve.runtime.media.layout import layout_of
from mlserve.runtime.protocols import openapi_tensors as tensors
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.offered import generates

_TABLES = ("text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
_PICTURES = ("image/jpeg", "image/png")
_REFUSALS = {
    "400": "What was sent can't be used; the error names the input, what it wants and what came.",
    "413": "The body is too large.",
    "500": "The model failed.",
    "503": "The queue is full, or the instance ends; Retry-After says when to try again.",
    "504": "No answer within the deadline.",
}


def openapi(model: Model) -> dict[str, Any]:
    """OpenAPI 3.1."""
    v1, v2 = f"/v1/models/{model.service}", f"/v2/models/{model.service}"
    paths: dict[str, Any] = {
        "/eval": {"post": _eval(model)},
        "/describe": _get("Inputs and outputs", "describe", {"type": "object", "required": ["inputs", "outputs"]}),
        f"{v2}/infer": {"post": _infer(model)},
        v2: _get("The model in the Open Inference Protocol's words", "model_metadata", _named("name", "inputs")),
        f"{v2}/config": _get("Its configuration", "model_config", _named("name", "max_batch_size")),
        f"{v2}/stats": _get("What it has done", "statistics", _named("model_stats")),
        f"{v2}/ready": _get("Whether it answers", "model_ready", _named("ready"), "503"),
        "/v2": _get("The server", "server_metadata", _named("name", "version", "extensions")),
        "/v2/health/live": _get("Whether the process lives", "live", _named("live")),
        "/v2/health/ready": _get("Whether it takes requests", "ready", _named("ready"), "503"),
        f"{v1}:predict": {"post": _predict(model)},
        v1: _get("The versions of the model", "model_status", _named("model_version_status")),
        f"{v1}/metadata": _get("The model in TensorFlow Serving's words", "tf_metadata", _named("metadata")),
    }
    if generates(model):
        paths[f"{v2}/generate"] = {"post": _generate(model, "generate", "One answer", "application/json")}
        paths[f"{v2}/generate_stream"] = {
            "post": _generate(model, "generate_stream", "Each answer as it comes", "text/event-stream")
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": model.service, "version": str(model.version), "description": _about(model)},
        "servers": [{"url": ".", "description": "beside this document"}],
        "paths": paths,
        "components": {
            "schemas": {"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}}
        },
    }


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
    operation = _post("Ask the model: tensors by input name, a batch or one row", "eval", content, answers)
    operation["responses"] |= {"406": _refusal("Accept takes nothing of that."), "415": _refusal("No such body here.")}
    return operation


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
    answer = {"application/json": {"schema": _named("model_name", "model_version", "outputs")}}
    content = {"application/json": {"schema": body, **example}, "application/octet-stream": {}}
    return _post("Ask the model in the Open Inference Protocol", "infer", content, answer)


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
    return _post("Ask the model as TensorFlow Serving is asked", "predict", content, answer)


def _generate(model: Model, name: str, summary: str, kind: str) -> dict[str, Any]:
    properties = {tensor.name: tensors.one_or_many(tensor) for tensor in model.signature.metadata.inputs}
    required = [tensor.name for tensor in model.signature.required]
    body = {"type": "object", "properties": properties, "required": required}
    schema = {"schema": _named("model_name", "model_version")} if kind == "application/json" else {}
    content = {"application/json": {"schema": body}}
    operation = _post(summary, name, content, {kind: schema})
    operation["responses"]["422"] = _refusal("What was sent can't be used.")
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


def _post(summary: str, name: str, content: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": name,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "The answer.", "content": answers},
            **{status: _refusal(words) for status, words in _REFUSALS.items()},
        },
    }


def _get(summary: str, name: str, schema: dict[str, Any], *refusals: str) -> dict[str, Any]:
    answer = {"description": summary + ".", "content": {"application/json": {"schema": schema}}}
    refused = {
        status: {"description": "Not now.", "content": {"application/json": {"schema": schema}}} for status in refusals
    }
    return {"get": {"summary": summary, "operationId": name, "responses": {"200": answer, **refused}}}


def _refusal(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def _named(*names: str) -> dict[str, Any]:
    return {"type": "object", "required": list(names)}
