"""Bodies that a processor reads itself: bytes in, bytes and a status out, as tensors request, reply and status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Arrays, Tensor

REQUEST, REPLY, STATUS = "request", "reply", "status"
RAW: dict[str, Any] = {
    "inputs": (Tensor(REQUEST, "BYTES", None),),
    "outputs": (Tensor(REPLY, "BYTES", None), Tensor(STATUS, "INT32", None)),
    "trusted": False,
    "raw": ("*",),
}
"""What the metadata of such a processor says."""
_OK = (0, 200)


def each(inputs: Arrays, process: Callable[[bytes], tuple[bytes, int]]) -> Arrays:
    """Replies and statuses for the bodies in the one input; over HTTP that is one, without a shape."""
    bodies = inputs[REQUEST]
    replies = np.empty(bodies.shape, dtype=np.object_)
    statuses = np.empty(bodies.shape, dtype=np.int32)
    for index, body in np.ndenumerate(bodies):
        replies[index], statuses[index] = process(body.encode() if isinstance(body, str) else bytes(body))
    return {REPLY: replies, STATUS: statuses}


def boxed(body: bytes) -> Arrays:
    """One body as the input of a call."""
    box = np.empty((), dtype=np.object_)
    box[()] = body
    return {REQUEST: box}


def answered(given: Any) -> tuple[bytes, int]:
    """Body and HTTP status of what a processor returned: ``(body, status)`` or a body alone."""
    body, status = given if isinstance(given, tuple) and len(given) == 2 else (given, 200)
    return as_bytes(body), http_status(status)


def http_status(code: Any) -> int:
    """0 and 200 are success; a number that HTTP does not have is the processor's own failure."""
    if isinstance(code, bool) or not isinstance(code, int | np.integer):
        return 500
    return 200 if code in _OK else int(code) if 200 <= code <= 599 else 500


def as_bytes(body: Any) -> bytes:
    """Bytes as they are, text in UTF-8, nothing as nothing, anything else as JSON."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    if body is None:
        return b""
    from mlserve.runtime.protocols.base import dump_json

    return dump_json(body)


def kind_of(body: bytes) -> bytes:
    """The content type that a body looks like, for its processor does not say."""
    ends = body[:1] + body[-1:] if body else b""
    if ends in (b"{}", b"[]"):
        return b"application/json"
    try:
        body[:4096].decode()
    except UnicodeDecodeError as exc:
        if exc.start < min(len(body), 4096) - 3:
            return b"application/octet-stream"
    return b"text/plain; charset=utf-8"


def require_success(outputs: Arrays) -> None:
    """Raises InvalidInput for a reply whose status says that it is none."""
    for status, reply in zip(outputs[STATUS].ravel(), outputs[REPLY].ravel(), strict=True):
        if status >= 400:
            raise InvalidInput(f"answered {status}: {reply[:200].decode('utf-8', 'replace')}")
