"""Bring the shapes of published descriptors into one nested form, knowing where each field was written. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlserve.descriptor.pointers import Place, detail, dotted, join, pointer_of, refusal
from mlserve.errors import Detail

FREE = frozenset(
    {
        ("labels",),
        ("features",),
        ("model_config",),
        ("pipeline", "*", "model_config"),
        ("pipeline", "*", "inputs"),
        ("pipeline", "*", "outputs"),
    }
)
"""Objects whose keys are the user's own: a dot in them separates nothing."""

_SPELLED = ("containers", "*", "health_check")
"""An object of Kubernetes' own, written with ``initialDelaySeconds`` as often as with ``initial_delay_seconds``."""
MAX_DEPTH = 64
_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")
_MAX_NODES = 200_000
_MAX_DOTS = 12


@dataclass(slots=True)
class Shape:
    """A descriptor in nested form."""

    values: dict[str, Any] = field(default_factory=dict)
    written: dict[Place, str] = field(default_factory=dict)
    """Place in the nested form → JSON pointer in what the user wrote."""
    conflicts: list[Detail] = field(default_factory=list)
    """Fields that were written twice with different values."""


def shape(raw: object) -> Shape:
    """The nested form of ``raw``; raises InvalidDescriptor where it is not an object of plain JSON values."""
    if not isinstance(raw, Mapping):
        kind = "empty" if raw is None else f"a {_kind(raw)}"
        raise refusal([detail("", "invalid", f"a descriptor is an object of fields, this one is {kind}")])
    _check_plain(raw)
    found = Shape()
    found.written[()] = ""
    found.values = _object(raw, (), "", found)
    _settle_name(found)
    return found


def told(shaped: Shape, name: str, code: str, message: str, **more: object) -> Detail:
    """A detail about a field of the top level, where the user wrote it."""
    return detail(shaped.written.get((name,), pointer_of((name,))), code, message, **more)


def _check_plain(raw: object) -> None:
    """No bombs and nothing that JSON can't hold: depth, count, numbers, text. Iterative, so that depth can't hurt."""
    stack: list[tuple[object, str, int]] = [(raw, "", 1)]
    count = 0
    while stack:
        value, pointer, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise refusal(
                [detail(_short(pointer), "invalid", f"the descriptor is nested more than {MAX_DEPTH} levels deep")]
            )
        if count > _MAX_NODES:
            raise refusal([detail("", "invalid", f"the descriptor has more than {_MAX_NODES} values")])
        problem = _problem(value)
        if problem:
            raise refusal([detail(_short(pointer), "invalid", f"{_short(pointer) or 'the descriptor'} {problem}")])
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str) or _problem(key):
                    raise refusal([detail(_short(pointer), "invalid", f"the key {str(key)[:40]!a} is not plain text")])
            stack += [(item, join(pointer, key), depth + 1) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            stack += [(item, join(pointer, index), depth + 1) for index, item in enumerate(value)]


def _problem(value: object) -> str:
    if isinstance(value, str):
        return "" if _is_text(value) else "has a character that can't be stored (NUL or half a surrogate pair)"
    if isinstance(value, bool) or value is None or isinstance(value, Mapping | list | tuple):
        return ""
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "is a number too large to hold"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "is not a finite number"
    return f"is a {type(value).__name__}, which JSON does not have"


def _is_text(value: str) -> bool:
    return "\0" not in value and (value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value))


def _object(raw: Mapping[str, Any], at: Place, pointer: str, found: Shape) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in raw.items():
        here = join(pointer, key)
        path = _split(key, at)
        if _pattern((*at, *path))[:3] == _SPELLED:
            path = tuple(_CAPITAL.sub(r"_\g<0>", name).lower() for name in path)
        for length in range(1, len(path) + 1):
            found.written.setdefault((*at, *path[:length]), here)
        _merge(result, path, _value(value, (*at, *path), here, found), at, here, found)
    return result


def _value(value: Any, at: Place, pointer: str, found: Shape) -> Any:
    if isinstance(value, Mapping):
        return dict(value) if _pattern(at) in FREE else _object(value, at, pointer, found)
    if isinstance(value, list | tuple):
        items = []
        for index, item in enumerate(value):
            found.written[(*at, str(index))] = join(pointer, index)
            items.append(_value(item, (*at, str(index)), join(pointer, index), found))
        return items
    return value


def _split(key: str, at: Place) -> Place:
    """The path that a key of an object at ``at`` stands for: ``rpc.keepalive`` is two levels."""
    if "." not in key or key.count(".") > _MAX_DOTS or key.startswith(".") or key.endswith(".") or ".." in key:
        return (key,)
    path: Place = ()
    rest = key
    while rest:
        if _pattern((*at, *path)) in FREE:
            return (*path, rest)
        head, _, rest = rest.partition(".")
        path = (*path, head)
    return path


def _merge(into: dict[str, Any], path: Place, value: Any, at: Place, pointer: str, found: Shape) -> None:
    for name in path[:-1]:
        inner = into.setdefault(name, {})
        if inner is None:
            inner = into[name] = {}
        if not isinstance(inner, dict):
            found.conflicts.append(_conflict((*at, *path), pointer))
            return
        into, at = inner, (*at, name)
    name = path[-1]
    if name not in into or into[name] is None:
        into[name] = value
    elif isinstance(into[name], dict) and isinstance(value, dict):
        for key, inner in value.items():
            _merge(into[name], (key,), inner, (*at, name), pointer, found)
    elif value is not None and into[name] != value:
        found.conflicts.append(_conflict((*at, name), pointer))


def _settle_name(found: Shape) -> None:
    """The name may be at the top or in metadata; where it is in both, it must be the same."""
    metadata = found.values.get("metadata")
    inner = metadata.pop("name", None) if isinstance(metadata, dict) else None
    if inner in (None, ""):
        return
    outer = found.values.get("name")
    if outer in (None, ""):
        found.values["name"] = inner
        found.written[("name",)] = found.written[("metadata", "name")]
    elif outer != inner:
        found.conflicts.append(_conflict(("metadata", "name"), found.written[("metadata", "name")]))


def _conflict(place: Place, pointer: str) -> Detail:
    return detail(pointer, "conflict", f"{dotted(place)} is written twice, with different values: keep one")


def _pattern(place: Place) -> Place:
    return tuple("*" if name.isdigit() else name for name in place)


def _kind(value: object) -> str:
    return {list: "list", str: "text", bool: "true or false", int: "number", float: "number"}.get(
        type(value), "thing that JSON lacks"
    )


def _short(pointer: str) -> str:
    return pointer if len(pointer) <= 200 else pointer[:200] + "…"
