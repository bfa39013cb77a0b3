"""How much memory a JSON body takes once it is read: a small one can hold millions of lists."""

from __future__ import annotations

from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.http.request import Request

LARGE = 256 << 10
"""Bytes of a body from which it is worth counting."""
_HEADER_LENGTH = b"inference-header-content-length"
_COPIES = 3
"""Of text, on its way from the body to a value (measured)."""
_VALUE, _LIST, _OBJECT = 40, 80, 240
"""Bytes of a number with its place in a list, of a list, and of an object, as CPython keeps them."""


class Expansion:
    """Refuses bodies that would take more than half of what is left of ``memory`` (bytes; 0: not known)."""

    def __init__(self, memory: int) -> None:
        ALLOWANCE.set(memory)

    def check(self, request: Request) -> None:
        if not ALLOWANCE.most:
            return
        body = json_of(request)
        if body[:64].lstrip()[:1] not in (b"{", b"["):
            return  # no JSON: what else there is is counted where it is read
        needed = max(len(body) * _COPIES, len(body) + needs(body))
        ALLOWANCE.check(needed, f"the JSON of {len(body) >> 20} MB", "send it in binary or in parts")


def json_of(request: Request) -> bytes:
    """The part of the body that is JSON: tensors in binary may come behind it."""
    length = request.headers.get(_HEADER_LENGTH, b"")
    return request.body[: int(length)] if length.isdigit() and len(length) < 12 else request.body


def needs(body: bytes) -> int:
    """Bytes that the values in it take, about."""
    return body.count(b",") * _VALUE + body.count(b"[") * _LIST + body.count(b"{") * _OBJECT
