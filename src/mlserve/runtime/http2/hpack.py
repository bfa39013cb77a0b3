"""Header blocks (HPACK, RFC 7541): read with a dynamic table, written without one."""

from __future__ import annotations

from mlserve.runtime.http2 import huffman

Fields = list[tuple[bytes, bytes]]

_STATIC_TEXT = """\
:authority |:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204\
|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset |accept-encoding gzip, deflate\
|accept-language |accept-ranges |accept |access-control-allow-origin |age |allow |authorization |cache-control \
|content-disposition |content-encoding |content-language |content-length |content-location |content-range \
|content-type |cookie |date |etag |expect |expires |from |host |if-match |if-modified-since |if-none-match \
|if-range |if-unmodified-since |last-modified |link |location |max-forwards |proxy-authenticate \
|proxy-authorization |range |referer |refresh |retry-after |server |set-cookie |strict-transport-security \
|transfer-encoding |user-agent |vary |via |www-authenticate """
_STATIC = [(b"", b"")]
_STATIC += [(name, value) for name, _, value in (line.partition(b" ") for line in _STATIC_TEXT.encode().split(b"|"))]
_NAMES = {name: index for index, (name, _) in reversed(tuple(enumerate(_STATIC))) if index}
_WHOLE = {field: index for index, field in enumerate(_STATIC) if index and field[1]}
_COUNT = len(_STATIC)
_OVERHEAD = 32
"""What the standard counts for each entry besides its text."""
TABLE_SIZE = 4096
_LONGEST_INTEGER = 4
"""Bytes after the first; nothing that is meant needs more."""


class BadBlock(Exception):
    """A header block that can't be read: the connection is lost, for its table is."""


class TooLarge(BadBlock):
    """More header text than is taken."""


class Decoder:
    """One direction of one connection. ``generation`` changes with the table: until then equal blocks mean the same."""

    def __init__(self, limit: int) -> None:
        self.generation = 0
        self._limit = limit
        self._entries: Fields = []  # the newest is the last
        self._size, self._most = 0, TABLE_SIZE

    def decode(self, block: bytes) -> Fields:
        """The fields in order; raises BadBlock."""
        try:
            return self._fields(block)
        except IndexError:
            raise BadBlock("the header block breaks off") from None
        except huffman.Malformed as exc:
            raise BadBlock(str(exc)) from None

    def _fields(self, block: bytes) -> Fields:
        found: Fields = []
        at, end, size = 0, len(block), 0
        while at < end:
            first = block[at]
            if first & 0x80:
                index = first & 0x7F
                at += 1
                if index == 0x7F:
                    index, at = _integer(block, at, 0x7F)
                field = self._entry(index)
            elif first & 0xE0 == 0x20:
                at = self._resize(block, at, first, bool(found))
                continue
            else:
                field, at = self._literal(block, at, first)
            size += len(field[0]) + len(field[1]) + _OVERHEAD
            if size > self._limit:
                raise TooLarge(f"the headers are larger than {self._limit} bytes")
            found.append(field)
        return found

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if index < _COUNT:
            if not index:
                raise BadBlock("header index 0")
            return _STATIC[index]
        back = index - _COUNT + 1
        if back > len(self._entries):
            raise BadBlock(f"header index {index} is beyond the table")
        return self._entries[-back]

    def _literal(self, block: bytes, at: int, first: int) -> tuple[tuple[bytes, bytes], int]:
        keep = first & 0xC0 == 0x40
        mask = 0x3F if keep else 0x0F
        index = first & mask
        at += 1
        if index == mask:
            index, at = _integer(block, at, mask)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = self._text(block, at)
        value, at = self._text(block, at)
        if keep:
            self._keep(name, value)
        return (name, value), at

    def _text(self, block: bytes, at: int) -> tuple[bytes, int]:
        first = block[at]
        length = first & 0x7F
        at += 1
        if length == 0x7F:
            length, at = _integer(block, at, 0x7F)
        end = at + length
        if end > len(block):
            raise BadBlock("the header block breaks off")
        if first & 0x80:
            return huffman.decode(block[at:end]), end
        return block[at:end], end

    def _keep(self, name: bytes, value: bytes) -> None:
        self.generation += 1
        self._entries.append((name, value))
        self._size += len(name) + len(value) + _OVERHEAD
        self._shrink()

    def _resize(self, block: bytes, at: int, first: int, late: bool) -> int:
        size, at = first & 0x1F, at + 1
        if size == 0x1F:
            size, at = _integer(block, at, 0x1F)
        if late or size > TABLE_SIZE:
            raise BadBlock("a header table of another size than was agreed")
        self.generation += 1
        self._most = size
        self._shrink()
        return at

    def _shrink(self) -> None:
        gone = 0
        while self._size > self._most:
            name, value = self._entries[gone]
            self._size -= len(name) + len(value) + _OVERHEAD
            gone += 1
        del self._entries[:gone]


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    value = prefix
    for shift in range(0, 7 * _LONGEST_INTEGER, 7):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise BadBlock("a number too large for a header block")


def encode(fields: Fields) -> bytes:
    """A header block that leaves the client's table alone."""
    out = bytearray()
    for name, value in fields:
        whole = _WHOLE.get((name, value))
        if whole is not None:
            out.append(0x80 | whole)
            continue
        index = _NAMES.get(name, 0)
        out += _number(index, 0x0F)
        if not index:
            out += _number(len(name), 0x7F) + name
        out += _number(len(value), 0x7F) + value
    return bytes(out)


def _number(value: int, mask: int) -> bytes:
    if value < mask:
        return bytes((value,))
    out = bytearray((mask,))
    value -= mask
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
