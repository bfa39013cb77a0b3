"""Sort the fields of one descriptor: what is used, what gets a warning, what is refused. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlserve.descriptor.capabilities import backends_with
from mlserve.descriptor.fields import Known, Sort, asks_nothing, known, places
from mlserve.descriptor.pointers import Place, detail, dotted
from mlserve.descriptor.shapes import Shape
from mlserve.errors import Detail


@dataclass(slots=True)
class Sorted:
    """A descriptor's fields, each in its place."""

    used: dict[str, Any] = field(default_factory=dict)
    """What the models read."""
    fields: dict[str, Sort] = field(default_factory=dict)
    """JSON pointer, as the user wrote it → what becomes of the field."""
    warnings: list[Detail] = field(default_factory=list)
    errors: list[Detail] = field(default_factory=list)


def sort_fields(shape: Shape, supported: frozenset[str]) -> Sorted:
    """Sort every field of a descriptor for a backend with these capabilities."""
    result = Sorted()
    result.used = _sort_object(shape.values, known(), (), shape, supported, result)
    return result


def _sort_object(
    values: dict[str, Any], node: Known, at: Place, shape: Shape, supported: frozenset[str], result: Sorted
) -> dict[str, Any]:
    used: dict[str, Any] = {}
    for name, value in values.items():
        place = (*at, name)
        pointer = shape.written.get(place, "")
        child = node.below.get(name)
        if child is None:
            result.fields[pointer] = Sort.UNKNOWN
            result.errors.append(_unknown(place, pointer, node))
        elif child.sort is None and value is not None and not isinstance(value, dict):
            result.errors.append(
                detail(pointer, "invalid", f"{dotted(place)} is an object of fields, not {_shown(value)}")
            )
        elif child.sort is None:
            used[name] = _sort_object(value or {}, child, place, shape, supported, result)
        elif _use(child, place, pointer, value, supported, result) and value is not None:
            used[name] = _sort_below(value, child, place, shape, supported, result)
    return {name: value for name, value in used.items() if value != {} or node.below[name].sort}


def _sort_below(value: Any, node: Known, place: Place, shape: Shape, supported: frozenset[str], result: Sorted) -> Any:
    item = node.below.get("*")
    if isinstance(value, dict) and node.below and item is None:
        return _sort_object(value, node, place, shape, supported, result)
    if item is None or not isinstance(value, list):
        return value
    return [
        _sort_object(entry, item, (*place, str(index)), shape, supported, result) if isinstance(entry, dict) else entry
        for index, entry in enumerate(value)
    ]


def _use(node: Known, place: Place, pointer: str, value: Any, supported: frozenset[str], result: Sorted) -> bool:
    """Note what becomes of one field; whether it is one that the models read."""
    name = dotted(place)
    if node.sort is Sort.NOT_APPLICABLE:
        result.fields[pointer] = Sort.NOT_APPLICABLE
        if not asks_nothing(name, value):
            result.warnings.append(detail(pointer, "not-applicable", f"{name} is not applied here: {node.reason}"))
        return False
    if node.capability and node.capability not in supported:
        result.fields[pointer] = Sort.UNSUPPORTED
        if not asks_nothing(name, value):
            result.errors.append(_unsupported(name, pointer, node.capability))
        return False
    result.fields[pointer] = Sort.USED
    return node.sort is Sort.USED


def _unsupported(name: str, pointer: str, capability: str) -> Detail:
    kinds = backends_with(capability)
    where = f"resource groups of kind {' and '.join(kinds)} have it" if kinds else "no backend has it yet"
    message = f"{name} is not supported by this resource group ({capability}): {where}"
    return detail(pointer, "unsupported", message, backends=list(kinds))


def _unknown(place: Place, pointer: str, node: Known) -> Detail:
    nearest = _nearest(place[-1], node)
    message = f'{dotted(place)[:120]} is not a field of a descriptor ("{pointer[:120]}")'
    more = {"nearest": nearest} if nearest else {}
    return detail(pointer, "unknown-field", message + (f', the nearest is "{nearest}"' if nearest else ""), **more)


def _nearest(word: str, node: Known) -> str:
    """The nearest name among the neighbours, else the whole name of a field elsewhere that is called nearly so."""
    word = word[:80].lower()
    beside = difflib.get_close_matches(word, list(node.below), n=1, cutoff=0.7)
    if beside and beside[0] != "*":
        return beside[0]
    elsewhere = dict(_last_names())
    close = difflib.get_close_matches(word, list(elsewhere), n=1, cutoff=0.7)
    return elsewhere[close[0]] if close else ""


def _last_names() -> Iterator[tuple[str, str]]:
    for place, _ in sorted(places(known()), key=lambda entry: -len(entry[0])):
        if "*" not in place:
            yield place[-1].lower(), dotted(place)


def _shown(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a single value"
