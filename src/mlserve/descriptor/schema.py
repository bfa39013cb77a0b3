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

_BOOLEAN_TEXT = {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}


def schema() -> dict[str, Any]:
    """The schema: what the models read, and the fields that are accepted or refused beside it."""
    result = Descriptor.model_json_schema(by_alias=True)
    result = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://mlserve.dev/schemas/service.schema.json",
        **result,
        "title": "mlserve service descriptor",
    }
    result.pop("required", None)  # The name may be in metadata.
    result["anyOf"] = [{"required": ["name"]}, {"required": ["metadata"]}]
    result["properties"]["generate_token"] |= _BOOLEAN_TEXT
    result["properties"]["generate_token"].pop("type", None)
    _add(result, known(), (), result)
    return result


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
