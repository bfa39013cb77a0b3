"""Sizes and durations as people write them: ``64MB``, ``10m``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_SIZES = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)", re.IGNORECASE)


def size(value: Any) -> Any:
    """Bytes of ``"64MB"`` (1024 × 1024 each, as Docker counts); anything but such a text passes through."""
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return int(float(match[1]) * _SIZES[match[2].lower()])
    if isinstance(value, str):
        raise ValueError('is not a size: write bytes, or "64MB"')
    return number(value)


def duration(value: Any) -> Any:
    """Seconds of ``"10m"`` or ``"1h30m"``; anything but such a text passes through."""
    if not isinstance(value, str):
        return number(value)
    text = value.strip().replace(" ", "")
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError('is not a duration: write seconds, or "10m"')
    return sum(float(amount) * _SECONDS[unit.lower()] for amount, unit in parts)


def number(value: Any) -> Any:
    """Refuses true and false where a number is wanted (JSON's other languages take them for 1 and 0)."""
    if isinstance(value, bool):
        raise ValueError("wants a number, not true or false")
    return value


Whole = Annotated[int, BeforeValidator(number, json_schema_input_type=int)]
Amount = Annotated[float, BeforeValidator(number, json_schema_input_type=float), Field(allow_inf_nan=False)]
Bytes = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "examples": ["64MB"]}]}),
]
Seconds = Annotated[
    float,
    BeforeValidator(duration),
    Field(allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "examples": ["10m", "90s"]}]}),
]
