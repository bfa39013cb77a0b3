"""Tokens of the management API: made and compared."""

from __future__ import annotations

import hmac
import secrets

from starlette.types import ASGIApp, Receive, Scope, Send

from mlserve.gateway.cookie import LOGIN_PATH

OPEN_PATHS = ("/healthz",)
OPEN_BELOW = (LOGIN_PATH,)
"""What follows is a secret of its own."""


def make() -> str:
    """A new token, fit for a header and a shell."""
    return secrets.token_urlsafe(32)


class TokenGuard:
    """Lets no request in without the hub's token, whatever its path; only liveness and one-time codes are open."""

    def __init__(self, app: ASGIApp, token: str, refusal: ASGIApp) -> None:
        self._app, self._token, self._refusal = app, token.encode(), refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = scope["type"] != "http" or self._open(scope["path"]) or self._allowed(scope)
        await (self._app if allowed else self._refusal)(scope, receive, send)

    def _open(self, path: str) -> bool:
        return path in OPEN_PATHS or path.startswith(OPEN_BELOW)

    def _allowed(self, scope: Scope) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        return hmac.compare_digest(token if scheme.lower() == b"bearer" else given, self._token)
