"""Change single fields of a descriptor before it is read: ``--set metadata.cpu=1``. Pure."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from typing import Any

from mlserve.errors import InvalidInput

_MAX_PARTS = 32
_HINT = "write --set name.of.field=value, and an item of a list by its number: containers.0.image=…"


def set_values(raw: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """A copy of ``raw`` with each ``a.b.0=value`` set; values are JSON where they read as such, else text.

    A list takes a new item at its length. Raises InvalidInput where a path or a value can't be.
    """
    result: dict[str, Any] = copy.deepcopy(raw)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InvalidInput(
                f'"{assignment[:80]}" sets nothing: there is no {"name" if equals else "="} in it', hint=_HINT
            )
        _set(result, name, _value(name, text))
    return result


def _value(name: str, text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"the value of {name} is not a finite number", hint=_HINT)
    return value


def _not_json(word: str) -> Any:
    raise ValueError(word)


def _set(root: dict[str, Any], name: str, value: Any) -> None:
    parts = name.split(".")
    if "" in parts or len(parts) > _MAX_PARTS:
        raise InvalidInput(f'"{name[:80]}" is not the name of a field', hint=_HINT)
    _settle_name(root, parts)
    node: Any = root
    while True:
        if isinstance(node, list):
            node, parts, done = _item(node, parts, name, value)
        elif isinstance(node, dict):
            node, parts, done = _member(node, parts, value)
        else:
            raise InvalidInput(f'"{name}" leads below a single value, which has no fields', hint=_HINT)
        if done:
            return


def _settle_name(root: dict[str, Any], parts: list[str]) -> None:
    """A name written in the other of its two places would contradict the new one."""
    metadata = root.get("metadata")
    if parts == ["name"] and isinstance(metadata, dict):
        metadata.pop("name", None)
        root.pop("metadata.name", None)
    elif parts == ["metadata", "name"]:
        root.pop("name", None)


def _member(node: dict[str, Any], parts: list[str], value: Any) -> tuple[Any, list[str], bool]:
    """One step into an object; a key that was written with dots (``rpc.keepalive``) is one step too."""
    length = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in node), 1)
    key, rest = ".".join(parts[:length]), parts[length:]
    if not rest:
        node[key] = value
        return node, rest, True
    if node.get(key) is None:
        node[key] = {}
    return node[key], rest, False


def _item(node: list[Any], parts: list[str], name: str, value: Any) -> tuple[Any, list[str], bool]:
    index = int(parts[0]) if parts[0].isascii() and parts[0].isdigit() and len(parts[0]) < 7 else -1
    if not 0 <= index <= len(node):
        message = (
            f'"{name}": "{parts[0][:40]}" is not an item of a list of {len(node)} (0 to {len(node)}, the last adds one)'
        )
        raise InvalidInput(message, hint=_HINT)
    if index == len(node):
        node.append({} if parts[1:] else None)
    if not parts[1:]:
        node[index] = value
        return node, [], True
    return node[index], parts[1:], False
