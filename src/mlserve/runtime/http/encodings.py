"""Unpack a compressed body, held to the limit that plain ones have."""

from __future__ import annotations

import zlib

from mlserve.errors import InvalidInput

_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


class UnsupportedEncoding(InvalidInput):
    """A Content-Encoding that is not taken here."""

    code, status = "unsupported-media-type", 415


class TooLarge(InvalidInput):
    """A body that grows beyond the limit when it is unpacked."""

    code, status = "too-large", 413


def unpack(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body without its Content-Encoding."""
    kind = encoding.strip().lower()
    if kind in (b"", b"identity"):
        return body
    if kind not in _WINDOWS:
        taken = "gzip, deflate"
        raise UnsupportedEncoding(f"Content-Encoding {kind.decode('latin-1')} is not taken here; send {taken} or none")
    unpacker = zlib.decompressobj(_WINDOWS[kind])
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error as exc:
        raise InvalidInput(f"the body is not {kind.decode()}: {exc}") from None
    if len(plain) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes when it is unpacked")
    if not unpacker.eof:
        raise InvalidInput(f"the {kind.decode()} body ends too early")
    return plain
