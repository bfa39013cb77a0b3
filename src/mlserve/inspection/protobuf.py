"""Read protobuf's wire format, as much as looking into a file takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class Broken(ValueError):
    """The bytes are not a whole message."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: a number, or the range of its bytes."""

    number: int
    value: int = 0
    start: int = 0
    end: int = 0
    is_bytes: bool = False


def fields(data: bytes | memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between two offsets; raises Broken where they don't fill it exactly."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Broken(f"a field without a number at byte {at}")
        if kind == 0:
            value, at = _varint(data, at, end)
            yield Field(number, value=value)
            continue
        if kind == 2:
            length, at = _varint(data, at, end)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise Broken(f"an unknown wire type at byte {at}")
        if length > end - at:
            raise Broken(f"it ends at byte {end}, {length - (end - at)} bytes too soon")
        yield Field(number, start=at, end=at + length, is_bytes=kind == 2)
        at += length


def text(data: bytes | memoryview, field: Field) -> str:
    """The text of a field."""
    return bytes(data[field.start : field.end]).decode("utf-8", "replace") if field.is_bytes else ""


def signed(value: int) -> int:
    """A varint as the signed 64-bit number it stands for."""
    return value - 2**64 if value >= 2**63 else value


def _varint(data: bytes | memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
        shift += 7
    raise Broken(
        f"it ends at byte {end}, in the middle of a number" if at >= end else f"a number without an end at byte {at}"
    )
