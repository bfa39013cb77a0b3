"""Heads of requests by their bytes: clients say the same over and over, but for the id that a gateway adds."""

from __future__ import annotations

from mlserve.runtime.http.request import Head

_MOST = 256
_ID = b"\r\nx-request-id: "
_SAFE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/"
_LONGEST_ID = 128
LONGEST = 1 << 10
"""Bytes of a head that is worth knowing."""


class Heads:
    """What is known of one listener's requests."""

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}
        """Those that came just so."""

    def find(self, raw: bytes) -> tuple[Head, dict[bytes, bytes]] | None:
        """The head that these bytes say, and its headers; ``None``: they must be read."""
        head = self.known.get(raw)
        if head is not None:
            return head, head.headers
        key, identity = _without_id(raw)
        head = self.known.get(key) if identity else None
        return None if head is None else (head, {**head.headers, b"x-request-id": identity})

    def keep(self, raw: bytes, head: Head) -> None:
        """These bytes were read, and say this."""
        if len(self.known) >= _MOST or not head.plain:
            return
        if b"x-request-id" in head.headers:
            raw, identity = _without_id(raw)
            if identity != head.headers[b"x-request-id"]:
                return
        self.known[raw] = head


def _without_id(raw: bytes) -> tuple[bytes, bytes]:
    """The head without its only x-request-id, and that: empty where it is not as gateways write it."""
    start = raw.find(_ID)
    if start < 0:
        return raw, b""
    value = start + len(_ID)
    end = raw.find(b"\r\n", value)
    identity = raw[value:end]
    if not identity or len(identity) > _LONGEST_ID or identity.translate(None, _SAFE) or raw.find(_ID, end) >= 0:
        return raw, b""
    return raw[:start] + raw[end:], identity
