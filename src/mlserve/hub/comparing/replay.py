"""Replay a request of which the hub got a copy: ask an instance the same once more."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass

from mlserve.gateway.mirror import MIRRORED_HEADER
from mlserve.hub.comparing.answers import Answer

MOST = 4 << 20
"""Bytes of a request or an answer; larger ones are not compared."""
_PATIENCE = 30.0
_OF_THE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
    | {b"content-length", b"accept-encoding", b"expect", b"x-mlserve-compared"}
)
_CHANGING = (b"/v2/repository", b"/v2/systemsharedmemory", b"/v2/cudasharedmemory", b"/v2/trace", b"/v2/logging")
"""What these paths of the Open Inference Protocol are asked for is not an answer but a change of the server."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A request as an instance gets it: what the gateway adds and takes away has been done."""

    method: str
    path: bytes
    """With the query."""
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def id(self) -> str:
        """By which its caller and the logs know it."""
        return self.header(b"x-request-id")

    @property
    def repeatable(self) -> bool:
        """A question that may be asked again: no page, no change, no part of a sequence, which has a state."""
        asks = self.method == "POST" or (self.method == "GET" and b"?" in self.path)
        return asks and not self.path.startswith(_CHANGING) and b'"sequence_id"' not in self.body

    def header(self, name: bytes) -> str:
        """Its value, or nothing."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


def asked(address: str, copy: Copy, owner: str) -> Answer | None:
    """What an instance answers; None where nothing whole came in time, or too much. ``owner``: whose request it is.

    No retry, no redirect followed: what the instance says is what counts.
    """
    connection = http.client.HTTPConnection(address, timeout=_PATIENCE)
    try:
        connection.putrequest(copy.method, copy.path.decode("latin-1"), skip_host=True, skip_accept_encoding=True)
        for name, value in copy.headers:
            if name not in _OF_THE_CONNECTION:
                connection.putheader(name, value)
        connection.putheader(MIRRORED_HEADER, owner)
        connection.putheader("content-length", str(len(copy.body)))
        connection.endheaders(copy.body)
        return _answer(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError):
        return None  # it ends, say: that is counted as unanswered, and other parts of the hub look after it
    finally:
        connection.close()


def _answer(came: http.client.HTTPResponse) -> Answer | None:
    body, end = b"", time.monotonic() + _PATIENCE
    while part := came.read1(1 << 16):
        body += part
        if len(body) > MOST or time.monotonic() > end:
            return None
    head = came.headers.get("inference-header-content-length", "")
    return Answer(came.status, came.headers.get("content-type", ""), body, int(head) if head.isdecimal() else None)
