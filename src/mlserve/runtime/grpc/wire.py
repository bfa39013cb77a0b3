"""Protobuf's bytes, as far as large tensors need not be copied to be found, or written."""

from __future__ import annotations

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_DIGITS = 10
_MOST_FIELDS = 1 << 16
"""Of one message, besides what is in its fields: each takes a while to find, and some memory."""


class Malformed(Exception):
    """No protobuf message."""


def split(message: bytes | memoryview, one: int, many: int) -> tuple[bytes, bytes, list[memoryview]]:
    """The message without two of its fields of bytes, the last value of ``one``, and views on all of ``many``."""
    view = memoryview(message)
    at, end = 0, len(view)
    rest: list[memoryview] = []
    kept, last, found, count = 0, b"", [], 0
    try:
        while at < end:
            begun = at
            count += 1
            tag = view[at]
            at += 1
            if tag & 0x80:
                tag, at = varint(view, at - 1)
            kind, number = tag & 7, tag >> 3
            if not number or count > _MOST_FIELDS:
                raise Malformed(f"more than {_MOST_FIELDS} fields" if number else "a field without a number")
            if kind == _BYTES:
                length = view[at]
                at += 1
                if length & 0x80:
                    length, at = varint(view, at - 1)
                at += length
                if at > end:
                    raise Malformed("it breaks off")
                if number in (many, one):
                    if begun > kept:
                        rest.append(view[kept:begun])
                    kept = at
                    if number == one:
                        last = bytes(view[at - length : at])
                    else:
                        found.append(view[at - length : at])
            elif kind == _VARINT:
                _, at = varint(view, at)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            else:
                raise Malformed(f"a field of kind {kind}")
    except IndexError:
        raise Malformed("it breaks off") from None
    if at > end:
        raise Malformed("it breaks off")
    if end > kept:
        rest.append(view[kept:end])
    return b"".join(rest), last, found


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = 0
    for shift in range(0, 7 * _MOST_DIGITS, 7):
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number that has no end")


def number(value: int) -> bytes:
    """A number of at least 0, as it is written."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(index: int, content: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return number(index << 3 | _BYTES) + number(len(content)) + content


def head(index: int, size: int) -> bytes:
    """What stands before ``size`` bytes of a field."""
    return number(index << 3 | _BYTES) + number(size)
