"""multipart/form-data both ways: one part a tensor, each of a type of its own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from mlserve.errors import InvalidInput

FORM = b"multipart/form-data"
_NAME = re.compile(rb'[; ]name="([^"]*)"|[; ]name=([^;\s]+)', re.IGNORECASE)
_KIND = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_MOST_PARTS = 1000
_BOUNDARY = re.compile(rb'boundary="?([^";,]+)"?', re.IGNORECASE)


class Part(NamedTuple):
    """One part: its Content-Type as it came (``b""``: none) and its bytes."""

    kind: bytes
    body: bytes


def split(content_type: bytes, body: bytes) -> dict[str, Part]:
    """The parts by name; raises InvalidInput."""
    boundary = _BOUNDARY.search(content_type)
    if not boundary:
        raise InvalidInput("multipart/form-data without a boundary in its Content-Type header")
    mark = b"--" + boundary[1].strip()
    if body.count(mark) > _MOST_PARTS:  # counted first: millions of small pieces cost 20 times their bytes
        raise InvalidInput(f"the multipart body has more than {_MOST_PARTS} parts; send one for each input")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise InvalidInput(f"the multipart body does not end with its boundary {mark.decode('latin-1')}--")
    parts: dict[str, Part] = {}
    for piece in pieces[1:-1]:
        name, part = _part(piece)
        if name in parts:
            raise InvalidInput(f'the part "{name}" came twice')
        parts[name] = part
    return parts


def join(parts: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """JSON parts as one body, and its Content-Type."""
    boundary = secrets.token_hex(16).encode()
    pieces = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: application/json\r\n\r\n%s\r\n'
        % (boundary, re.sub(r'[\r\n"]', "_", name).encode(), body)
        for name, body in parts.items()
    ]
    return b"".join((*pieces, b"--%s--\r\n" % boundary)), FORM + b"; boundary=" + boundary


def _part(piece: bytes) -> tuple[str, Part]:
    head, found, value = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not found or not name:
        raise InvalidInput("a part of the multipart body has no name (Content-Disposition: form-data; name=…)")
    kind = _KIND.search(head)
    word = (name[1] or name[2] or b"").decode("utf-8", "replace")
    return word, Part(kind[1].strip() if kind else b"", value)
