"""The head of a request: pseudo headers checked, the rest by name."""

from __future__ import annotations

import re

from mlserve.runtime.http.request import GATEWAY
from mlserve.runtime.http2.hpack import Fields

_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_OF_ONE_CONNECTION = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+\Z")
_VALUE = re.compile(rb"[^\x00\r\n]*\Z")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])\Z")


class Malformed(Exception):
    """A list of headers that is no request."""


class Head:
    """Equal blocks of one connection share one: nothing here changes."""

    __slots__ = ("encoding", "gateway", "headers", "length", "method", "path", "rpc", "timeout")

    def __init__(self, fields: Fields) -> None:
        pseudo, headers = _sorted(fields)
        try:
            self.method, self.path = pseudo[b":method"].decode("latin-1"), pseudo[b":path"]
        except KeyError as exc:
            raise Malformed(f"no {exc.args[0].decode()}") from None
        if not self.path or b":scheme" not in pseudo:
            raise Malformed("no path or no scheme")
        if b":authority" in pseudo:
            headers.setdefault(b"host", pseudo[b":authority"])
        self.gateway = headers.pop(GATEWAY, b"")
        self.headers = headers
        self.rpc = headers.get(b"content-type", b"").startswith(b"application/grpc")
        self.length = _length(headers.get(b"content-length"))
        self.timeout = _seconds(headers.get(b"grpc-timeout"))
        self.encoding = headers.get(b"grpc-encoding", b"identity")


def _sorted(fields: Fields) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    pseudo: dict[bytes, bytes] = {}
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        if name[:1] == b":":
            if headers or name in pseudo or name not in _PSEUDO:
                raise Malformed("a pseudo header that is unknown, twice there, or after others")
            pseudo[name] = value
            continue
        if not _NAME.match(name) or not _VALUE.match(value) or name in _OF_ONE_CONNECTION:
            raise Malformed(f"the header {name[:40]!r} can't be")
        if name == b"te" and value != b"trailers":
            raise Malformed("te may only be trailers")
        if name in headers:
            value = headers[name] + (b"; " if name == b"cookie" else b", ") + value
        headers[name] = value
    return pseudo, headers


def _length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise Malformed("content-length is no number")
    return int(value)


def _seconds(value: bytes | None) -> float | None:
    found = _TIMEOUT.match(value) if value is not None else None
    return int(found[1]) * _UNITS[found[2]] if found else None
