"""The one form of a failed fetch: which address (without its secrets), what happened, what next."""

from __future__ import annotations

from mlserve.errors import FetchFailed
from mlserve.storage.names import redacted


def failed(uri: str, code: str, why: str, hint: str, *, wish: str = "fetched") -> FetchFailed:
    """A FetchFailed whose details carry ``code``: missing, denied, unreachable, tls, timeout, not-a-file, …"""
    message = f"{redacted(uri)} could not be {wish}: {why}"
    return FetchFailed(message, hint=hint, details=[{"code": code, "message": why}])
