"""How a call ends: gRPC's status codes, the trailers that carry them, and which error means which."""

from __future__ import annotations

from urllib.parse import quote

from mlserve.errors import InvalidInput
from mlserve.runtime.http2 import hpack
from mlserve.runtime.trouble import Trouble

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = range(8)
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = range(8, 15)
UNAUTHENTICATED = 16

_BY_HTTP = {
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    408: DEADLINE_EXCEEDED,
    409: ABORTED,
    429: RESOURCE_EXHAUSTED,
    499: CANCELLED,
    501: UNIMPLEMENTED,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
_LONGEST = 1024
_TEXT = "".join(chr(number) for number in range(0x20, 0x7F) if number != 0x25)

HEAD = hpack.encode([(b":status", b"200"), (b"content-type", b"application/grpc")])
"""The headers of an answer."""
DONE = hpack.encode([(b"grpc-status", b"0")])
"""The trailers after a success."""


class Refused(InvalidInput):
    """A call that ends with this code, in these words."""

    def __init__(self, grpc: int, message: str) -> None:
        super().__init__(message)
        self.grpc = grpc


def http_of(code: int) -> int:
    """What HTTP would have said."""
    return 500 if code == INTERNAL else next((http for http, grpc in _BY_HTTP.items() if grpc == code), 400)


def code_of(why: Trouble) -> int:
    """The code for what HTTP says with a status."""
    if why.reason == "queue-full":
        return RESOURCE_EXHAUSTED
    if why.status in _BY_HTTP:
        return _BY_HTTP[why.status]
    return INVALID_ARGUMENT if 400 <= why.status < 500 else INTERNAL


def trailers(code: int, message: str, retry_after: int = 0) -> hpack.Fields:
    """What ends a call that failed. ``retry_after``: seconds until it should be tried again, elsewhere or here."""
    words = quote(message.encode("utf-8", "replace")[:_LONGEST], safe=_TEXT).encode()
    fields = [(b"grpc-status", b"%d" % code), (b"grpc-message", words)]
    if retry_after:
        fields += [(b"grpc-retry-pushback-ms", b"%d" % (retry_after * 1000)), (b"x-mlserve-overloaded", b"1")]
    return fields
