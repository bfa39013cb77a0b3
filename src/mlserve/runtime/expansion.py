"""How much memory a JSON body takes once it is read: a small one can hold millions of lists."""

from __future__ import annotations

import resource

from mlserve.errors import InvalidInput
from mlserve.runtime.request import Request

LARGE = 256 << 10
"""Bytes of a body from which it is worth counting."""
_SHARE = 0.5
_VALUE, _LIST, _OBJECT = 40, 80, 240
"""Bytes of a number with its place in a list, of a list, and of an object, as CPython keeps them."""


class TooMuch(InvalidInput):
    """A body that this instance has no memory for."""

    code, status = "too-large", 413


class Expansion:
    """Refuses bodies that would take more than half of what is left of ``memory`` (bytes; 0: not known)."""

    def __init__(self, memory: int) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        self._most = max(1, int((memory - used) * _SHARE)) if memory else 0

    def check(self, request: Request) -> None:
        body = request.body
        if not self._most or b"inference-header-content-length" in request.headers:
            return
        if body[:64].lstrip()[:1] not in (b"{", b"["):
            return  # no JSON: what else there is says its own size
        needed = len(body) + needs(body)
        if needed > self._most:
            raise TooMuch(
                f"the JSON of {len(body) >> 20} MB would take about {needed >> 20} MB once it is read, and this "
                f"instance has {self._most >> 20} MB for one request; send it in binary or in parts, or "
                "raise metadata.memory"
            )


def needs(body: bytes) -> int:
    """Bytes that the values in it take, about."""
    return body.count(b",") * _VALUE + body.count(b"[") * _LIST + body.count(b"{") * _OBJECT
