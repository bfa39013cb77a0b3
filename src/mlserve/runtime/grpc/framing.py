"""Messages on the wire: five bytes of length and compression before each."""

from __future__ import annotations

from mlserve.errors import InvalidInput
from mlserve.runtime.grpc.status import INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, Refused
from mlserve.runtime.http.encodings import TooLarge, unpack

PREFIX = 5
_MANY = 1024
"""Small pieces of one message, of which a large one is made: as they are they would cost 20 times what they hold."""
ACCEPTED = b"identity,deflate,gzip"
_KNOWN = (b"identity", b"deflate", b"gzip")


class Unframer:
    """Cuts what comes into messages."""

    __slots__ = ("_chunks", "_encoding", "_joined", "_limit", "_size")

    def __init__(self, encoding: bytes, limit: int) -> None:
        self._encoding = encoding
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = self._joined = 0

    def feed(self, chunk: bytes) -> list[bytes | memoryview]:
        """The messages that are whole now; raises Refused."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size < PREFIX or (len(self._chunks) > 1 and self._size < self._wanted()):
            if len(self._chunks) - self._joined == _MANY:
                self._chunks[self._joined :] = [b"".join(self._chunks[self._joined :])]
                self._joined += 1
            return []
        self._joined = 0
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        found: list[bytes | memoryview] = []
        at, view = 0, memoryview(data)
        while len(data) - at >= PREFIX:
            length = int.from_bytes(data[at + 1 : at + PREFIX], "big")
            if length > self._limit:
                raise Refused(RESOURCE_EXHAUSTED, f"a message of {length} bytes is larger than {self._limit}")
            if len(data) - at - PREFIX < length:
                break
            start = at + PREFIX
            at = start + length
            found.append(plain(data[start - PREFIX], view[start:at], self._encoding, self._limit))
        rest = data[at:]
        self._chunks, self._size = [rest] if rest else [], len(rest)
        return found

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._size

    def _wanted(self) -> int:
        while len(self._chunks[0]) < PREFIX and len(self._chunks) > 1:
            self._chunks[:2] = [self._chunks[0] + self._chunks[1]]
        return min(int.from_bytes(self._chunks[0][1:PREFIX], "big"), self._limit + 1) + PREFIX


def only_message(data: bytes, encoding: bytes, limit: int) -> bytes | memoryview:
    """The one message of a call; raises Refused."""
    length = len(data) - PREFIX
    if length < 0:
        raise Refused(INTERNAL, "the call ended before its message was whole" if data else "the call has no message")
    told = int.from_bytes(data[1:PREFIX], "big")
    if told != length:
        what = "the call ended before its message was whole" if told > length else "more than one message"
        raise Refused(INTERNAL, what)
    return plain(data[0], memoryview(data)[PREFIX:], encoding, limit)


def plain(flag: int, message: memoryview, encoding: bytes, limit: int) -> bytes | memoryview:
    """A message without its compression."""
    if not flag:
        return message
    if flag != 1 or encoding == b"identity":
        raise Refused(INTERNAL, "a message is marked as compressed, and grpc-encoding does not say how")
    try:
        return unpack(bytes(message), encoding, limit)
    except TooLarge as exc:
        raise Refused(RESOURCE_EXHAUSTED, str(exc)) from None
    except InvalidInput as exc:
        raise Refused(INVALID_ARGUMENT, str(exc)) from None


def check_encoding(encoding: bytes) -> None:
    if encoding not in _KNOWN:
        raise Refused(UNIMPLEMENTED, f"grpc-encoding {encoding.decode('latin-1')} is not taken here; send gzip or none")


def prefix(size: int) -> bytes:
    """What stands before a message that is not compressed."""
    return b"\0" + size.to_bytes(4, "big")
