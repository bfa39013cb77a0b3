"""The JSON schema of a descriptor, for editors: ``python -m mlserve.descriptor.schema`` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from mlserve.descriptor.capabilities import backends_with
from mlserve.descriptor.fields import Known, known
from mlserve.descriptor.pointers import Place, dotted
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import FREE

_TEXTS = {
    "integer": r"^\s*[+-]?[0-9]+\s*$",
    "number": r"^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*$",
    "boolean": "^([tT]rue|[fF]alse|[tT]|[fF]|[yY]|[nN]|yes|no|on|off|1|0)$",
}
"""How a number or boolean looks that is written as text, as published descriptors do."""
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Bounds that pydantic leaves in its own words where a value may also be null."""


def schema() -> dict[str, Any]:
    """The schema: what the models read, and the fields that are accepted or refused beside it."""
    result = _lenient(Descriptor.model_json_schema(by_alias=True))
    result.pop("required", None)  # The name may be in metadata, or written with a dot.
    result["title"] = "mlserve service descriptor"
    _add(result, known(), (), result)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}


def _lenient(value: Any) -> Any:
    """The same schema with text allowed for numbers and booleans, as the parser does."""
    if isinstance(value, list):
        return [_lenient(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {_BOUNDS.get(key, key): _lenient(item) for key, item in value.items()}
    pattern = _TEXTS.get(result["type"]) if isinstance(result.get("type"), str) else None
    if pattern is None:
        return result
    said = {key: result.pop(key) for key in ("title", "description", "default") if key in result}
    return said | {"anyOf": [result, {"type": "string", "pattern": pattern}]}


def text() -> str:
    """The schema as it is checked in."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _add(target: dict[str, Any], node: Known, at: Place, root: dict[str, Any]) -> None:
    """Name the fields that no model has, and let a key stand for several levels: ``rpc.keepalive``."""
    target.setdefault("type", "object")
    target.setdefault("additionalProperties", False)
    properties = target.setdefault("properties", {})
    if at != ("containers", "*"):
        target["patternProperties"] = {r"^[A-Za-z_]+\.": {"description": "a field below, written as one dotted key"}}
    for name, child in node.below.items():
        place = (*at, name)
        if name not in properties:
            properties[name] = {}
            if child.sort:
                properties[name]["description"] = _said(child, place)
        elif child.capability:
            properties[name]["description"] = f"{properties[name].get('description', '')} {_said(child, place)}".strip()
        inner = _resolved(properties[name], root)
        if child.sort is None and place not in FREE:
            _add(inner, child, place, root)


def _resolved(value: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref")
    found: dict[str, Any] = root["$defs"][reference.rsplit("/", 1)[-1]] if reference else value
    return found


def _said(node: Known, place: Place) -> str:
    if node.reason:
        return f"Accepted and not applied: {node.reason}."
    kinds = backends_with(node.capability)
    where = f"Only resource groups of kind {', '.join(kinds)} have it" if kinds else "No backend has it yet"
    return f"{where} ({node.capability}); refused elsewhere: {dotted(place)}."


if __name__ == "__main__":
    sys.stdout.write(text())
