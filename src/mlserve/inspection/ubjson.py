"""Read Universal Binary JSON as xgboost writes it; long arrays of numbers are passed over. Pure."""

from __future__ import annotations

import struct
from typing import Any

_NUMBERS = {"i": "b", "U": "B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_SIZES = {"i": 1, "U": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8, "C": 1}
_MAX_DEPTH = 64
_MAX_KEPT = 4096
_MAX_VALUES = 2_000_000


class Broken(ValueError):
    """The bytes are not a whole value."""


def read(data: bytes | memoryview) -> Any:
    """The value; raises Broken. Typed arrays of numbers longer than a few thousand come back as their length."""
    reader = _Reader(data)
    return reader.value(reader.take(1).decode("latin-1"), 0)


def version_in(data: bytes) -> str:
    """The xgboost version in a model or a whole booster's state; "" where it isn't said."""
    try:
        value = read(data)
    except Broken:
        return ""
    value = value.get("Model", value) if isinstance(value, dict) else {}
    numbers = value.get("version") if isinstance(value, dict) else None
    return ".".join(map(str, numbers)) if isinstance(numbers, list) and 0 < len(numbers) <= 4 else ""


class _Reader:
    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data
        self.at = 0
        self.count = 0

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise Broken(f"it ends at byte {len(self.data)}, too soon")
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def peek(self) -> str:
        if self.at >= len(self.data):
            raise Broken(f"it ends at byte {self.at}, too soon")
        return chr(self.data[self.at])

    def value(self, kind: str, depth: int) -> Any:
        self.count += 1
        if depth > _MAX_DEPTH or self.count > _MAX_VALUES:
            raise Broken("it is nested too deep or has too many values")
        if kind in _NUMBERS:
            return struct.unpack(_NUMBERS[kind], self.take(_SIZES[kind]))[0]
        if kind in "ZTFN":
            return {"Z": None, "T": True, "F": False, "N": None}[kind]
        if kind in "SH":
            return self.text()
        if kind == "C":
            return self.take(1).decode("latin-1")
        if kind == "{":
            return self._object(depth)
        if kind == "[":
            return self._array(depth)
        raise Broken(f"an unknown type {kind!a} at byte {self.at}")

    def text(self) -> str:
        return self.take(self._length()).decode("utf-8", "replace")

    def _length(self) -> int:
        kind = self.take(1).decode("latin-1")
        if kind not in "iUIlL":
            raise Broken(f"a length that is none at byte {self.at}")
        return int(struct.unpack(_NUMBERS[kind], self.take(_SIZES[kind]))[0])

    def _header(self) -> tuple[str, int | None]:
        kind, count = "", None
        if self.peek() == "$":
            self.take(1)
            kind = self.take(1).decode("latin-1")
        if self.peek() == "#":
            self.take(1)
            count = self._length()
        if kind and count is None:
            raise Broken(f"a type without a count at byte {self.at}")
        return kind, count

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        result: dict[str, Any] = {}
        while count is None or count > 0:
            if count is None and self.peek() == "}":
                self.take(1)
                break
            count = count if count is None else count - 1
            key = self.text()
            result[key] = self.value(kind or self.take(1).decode("latin-1"), depth + 1)
        return result

    def _array(self, depth: int) -> Any:
        kind, count = self._header()
        if kind in _SIZES and count is not None and count > _MAX_KEPT:
            self.take(count * _SIZES[kind])
            return count
        result: list[Any] = []
        while count is None or len(result) < count:
            if count is None and self.peek() == "]":
                self.take(1)
                break
            result.append(self.value(kind or self.take(1).decode("latin-1"), depth + 1))
        return result
