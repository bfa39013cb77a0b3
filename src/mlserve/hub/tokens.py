"""Tokens of the management API: made and compared."""

from __future__ import annotations

import hmac
import secrets

from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = ("/healthz",)


def make() -> str:
    """A new token, fit for a header and a shell."""
    return secrets.token_urlsafe(32)


class TokenGuard:
    """Lets no request in without the hub's token, whatever its path; only liveness is open."""

    def __init__(self, app: ASGIApp, token: str, refusal: ASGIApp) -> None:
        self._app, self._token, self._refusal = app, token.encode(), refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._allowed(scope)
        await (self._app if allowed else self._refusal)(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        return hmac.compare_digest(token if scheme.lower() == b"bearer" else given, self._token)
