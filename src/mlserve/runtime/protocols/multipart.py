"""multipart/form-data with one part a tensor, each a JSON value."""

from __future__ import annotations

import re
from typing import Any

import orjson

from mlserve.errors import InvalidInput

_NAME = re.compile(rb'[; ]name="([^"]*)"|[; ]name=([^;\s]+)', re.IGNORECASE)
_TEXTUAL = (b"application/json", b"text/plain", b"text/json", b"application/octet-stream", b"")


def read(content_type: bytes, body: bytes) -> dict[str, Any]:
    """Values by part name; raises InvalidInput that names the part."""
    boundary = re.search(rb'boundary="?([^";,]+)"?', content_type, re.IGNORECASE)
    if not boundary:
        raise InvalidInput("multipart/form-data without a boundary in its Content-Type header")
    mark = b"--" + boundary[1].strip()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise InvalidInput(f"the multipart body does not end with its boundary {mark.decode('latin-1')}--")
    return dict(_part(piece) for piece in pieces[1:-1])


def _part(piece: bytes) -> tuple[str, Any]:
    head, found, value = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not found or not name:
        raise InvalidInput("a part of the multipart body has no name (Content-Disposition: form-data; name=…)")
    word = (name[1] or name[2] or b"").decode("utf-8", "replace")
    kind = re.search(rb"^content-type:\s*([^;\r\n]+)", head, re.IGNORECASE | re.MULTILINE)
    media = kind[1].strip().lower() if kind else b""
    if media not in _TEXTUAL:
        raise _unsupported(word, media)
    try:
        return word, orjson.loads(value)
    except orjson.JSONDecodeError as exc:
        if media == b"text/plain" or (not media and value.strip().isalpha()):
            return word, value.decode("utf-8", "replace")
        raise InvalidInput(f'part "{word}" is not JSON: {exc}') from None


def _unsupported(name: str, media: bytes) -> InvalidInput:
    from mlserve.runtime.protocols.base import UnsupportedMedia

    return UnsupportedMedia(f'part "{name}" is {media.decode("latin-1")}; application/json is taken here')
