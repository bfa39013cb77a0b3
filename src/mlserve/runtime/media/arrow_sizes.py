"""How large the buffers of an Arrow stream say they are unpacked, read before a byte of them is.

pyarrow unpacks a whole batch at once, and a few kilobytes may say that they are gigabytes. Each message has a
flatbuffer that lists its buffers; a compressed one begins with its unpacked length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_OBJECT, _LIST = 90, 80
"""Bytes of a value, or of a list, that becomes a Python object on its way."""
_COPIES = 3
"""Of numbers: in one piece, in the width of the input, and while both are compared."""
_HEADER = 2
"""The field of a Message with what it is about."""
_DATA = 1
"""The field of a DictionaryBatch with its RecordBatch."""
_BUFFERS, _COMPRESSION = 2, 3
"""Fields of a RecordBatch."""


def unpacked_size(messages: Iterator[Any]) -> int:
    """Bytes, by what the compressed buffers claim; raises struct.error where the messages are damaged."""
    total = 0
    for message in messages:
        if message.type in ("record batch", "dictionary"):
            head = memoryview(message.metadata)
            batch = _table(head, _field(head, _at(head, "<I", 0), _HEADER))
            if message.type == "dictionary":
                batch = _table(head, _field(head, batch, _DATA))
            total += sum(_claims(head, batch, memoryview(message.body)))
    return total


def _claims(head: memoryview, batch: int, body: memoryview) -> Iterator[int]:
    if not _field(head, batch, _COMPRESSION):
        return
    listed = _table(head, _field(head, batch, _BUFFERS))
    for index in range(_at(head, "<I", listed)):
        start, length = (_at(head, "<q", listed + 4 + 16 * index + 8 * part) for part in (0, 1))
        if length >= 8:
            yield max(length, _at(body, "<q", start))


def _field(head: memoryview, table: int, number: int) -> int:
    """Where a field's value is; 0: the table has no such field."""
    places = table - _at(head, "<i", table)
    inside = 4 + 2 * number + 2 <= _at(head, "<H", places)
    offset = _at(head, "<H", places + 4 + 2 * number) if inside else 0
    return table + offset if offset else 0


def _table(head: memoryview, field: int) -> int:
    """What a field that is an offset leads to."""
    if not field:
        raise struct.error("a message without what it should have")
    return field + _at(head, "<I", field)


def _at(data: memoryview, form: str, place: int) -> int:
    if place < 0:
        raise struct.error("a message that leads outside of itself")
    found: int = struct.unpack_from(form, data, place)[0]
    return found


def cost(column: Any) -> int:
    """Bytes that a column takes as values, about: nulls, and words of a dictionary, take next to none before."""
    kind, rows = column.type, len(column)
    word = str(kind)
    if word.startswith("run_end_encoded"):
        raise ValueError(f"a column of {word} is not taken; send its values")
    if word.startswith("dictionary"):
        longest = max((len(str(value)) for value in column.dictionary.to_pylist()), default=0)
        return int(column.nbytes + rows * (_OBJECT + longest))
    if hasattr(kind, "list_size"):
        return rows * _LIST + cost(column.flatten())
    if column.null_count or word in ("null", "string", "large_string", "string_view", "binary", "large_binary"):
        return int(column.nbytes + rows * _OBJECT)
    if hasattr(kind, "value_type"):
        return rows * _LIST + cost(column.flatten())
    return int(column.nbytes + rows * _LIST if getattr(kind, "num_fields", 0) else column.nbytes * _COPIES)
