"""Make a request that fits what a model says of its inputs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LARGEST = 4_000_000
"""Values; a sample larger than that is nothing anyone wants to send."""


def sample(description: Mapping[str, Any]) -> dict[str, Any] | None:
    """One row of zeros for each input; None where the inputs aren't declared."""
    inputs = description.get("inputs") or []
    shapes = [entry.get("shape") for entry in inputs]
    if not inputs or any(shape is None or _size(shape) > _LARGEST for shape in shapes):
        return None  # an input of any shape, such as the bytes that a processor of EAS reads itself
    return {str(entry["name"]): _zeros(_value(str(entry.get("type", ""))), _shape(entry["shape"])) for entry in inputs}


def size(description: Mapping[str, Any]) -> int:
    """How many values a sample has."""
    return sum(_size(entry.get("shape") or ()) for entry in description.get("inputs") or [])


def _shape(shape: Sequence[Any]) -> list[int]:
    return [length if isinstance(length, int) and length > 0 else 1 for length in shape]


def _size(shape: Sequence[Any]) -> int:
    count = 1
    for length in _shape(shape):
        count *= length
    return count


def _value(kind: str) -> Any:
    kind = kind.lower()
    if "str" in kind or "bytes" in kind or "object" in kind:
        return ""
    if "bool" in kind:
        return False
    return 0 if "int" in kind else 0.0


def _zeros(value: Any, shape: Sequence[int]) -> Any:
    if not shape:
        return value
    return [_zeros(value, shape[1:]) for _ in range(shape[0])]
