"""The recurring parts of an OpenAPI document: operations and refusals."""

from __future__ import annotations

from typing import Any

_REFUSALS = {
    "400": "What was sent can't be used; the error names the input, what it wants and what came.",
    "413": "The body is too large.",
    "500": "The model failed.",
    "503": "The queue is full, or the instance ends; Retry-After says when to try again.",
    "504": "No answer within the deadline.",
}


def post(summary: str, name: str, content: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    """Something to ask."""
    return {
        "summary": summary,
        "operationId": name,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "The answer.", "content": answers},
            **{status: refusal(words) for status, words in _REFUSALS.items()},
        },
    }


def get(summary: str, name: str, schema: dict[str, Any], *refusals: str) -> dict[str, Any]:
    """Something to read; ``refusals``: statuses that say no in the same form."""
    answer = {"description": summary + ".", "content": {"application/json": {"schema": schema}}}
    refused = {
        status: {"description": "Not now.", "content": {"application/json": {"schema": schema}}} for status in refusals
    }
    return {"get": {"summary": summary, "operationId": name, "responses": {"200": answer, **refused}}}


def refusal(words: str) -> dict[str, Any]:
    """An answer that is an error."""
    return {"description": words, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def named(*names: str) -> dict[str, Any]:
    """An object that has these names."""
    return {"type": "object", "required": list(names)}
