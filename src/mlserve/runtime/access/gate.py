"""Lets requests in, or says why not: a secret from the gateway, a token, a JWT of the hub's or a signature from others.

What the gateway passes on it has looked at already, except for signed requests: these it lets through without its
secret, because only whoever has the body can check them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from hmac import compare_digest
from pathlib import Path

from mlserve.runtime.access import issued, signed
from mlserve.runtime.access.paths import base_of, within
from mlserve.runtime.access.refusal import Refusal, Refused
from mlserve.runtime.access.told import Source, Told

_BEARER = re.compile(rb"(?i:bearer) +")
_BETWEEN = b","
_OPEN = frozenset(("/v2/health/live", "/v2/health/ready", "/docs"))
"""What anybody may read: it says nothing of the service but that it is there."""


class Gate:
    """That of one instance; ``file`` is what the hub keeps for it."""

    def __init__(self, file: Path, service: str) -> None:
        self._source, self._service = Source(file), service

    def passed_on(self, secrets: bytes) -> bool:
        """Whether it is the gateway's: its token was looked at there. It knows a secret of each who may get it."""
        return bool(secrets) and (_is_one(secrets, self._source.last) or _is_one(secrets, self._source.current()))

    def refusal(
        self, method: str, path: str, headers: Mapping[bytes, bytes], body: bytes | None = None
    ) -> Refusal | None:
        """Why a request of somebody else is not let in; ``path`` as it was sent, ``body`` None: none to be signed."""
        told, inner = self._source.current(), within(path, self._service)
        if told.public or (method in ("GET", "HEAD") and inner in _OPEN):
            return None
        try:
            self._check(method, path, inner, headers, body)
        except Refused as exc:
            return exc.refusal
        return None

    def _check(self, method: str, path: str, inner: str, headers: Mapping[bytes, bytes], body: bytes | None) -> None:
        told, given = self._source.last, headers.get(b"authorization", b"")
        if told.token and given.startswith(signed.PREFIX) and body is not None:
            now = time.time()
            clock = signed.Clock(now, time.localtime(now).tm_gmtoff)
            signed.check(method, _named(told, self._service, inner, path), headers, body, clock)
            return
        bearer = _BEARER.match(given)
        token = given[bearer.end() :] if bearer else given
        if told.token and compare_digest(token, told.token):
            return
        if told.keys and issued.looks_so(token):
            issued.check(token, self._service, told, time.time())
            return
        raise Refused(Refusal(f'the token of service "{self._service}" is missing or wrong'))


def _is_one(secrets: bytes, told: Told) -> bool:
    return bool(told.gateway) and any(compare_digest(one, told.gateway) for one in secrets.split(_BETWEEN))


def _named(told: Told, service: str, inner: str, path: str) -> Iterator[tuple[bytes, str]]:
    """How clients name what they sign: with the path they asked, or by the service or its group alone."""
    yield told.token, path
    signed_for = [(told.token, service), *((told.token, f"{group}.{service}") for group in told.groups)]
    for token, name in [*signed_for, *((token, group) for group, token in told.groups.items())]:
        yield from ((token, base_of(name)), (token, base_of(name) + inner))
