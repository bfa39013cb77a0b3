"""Who may ask the management API what: the hub's own token everything, an issued one what belongs to its services."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from mlserve.errors import Denied, Forbidden, MlserveError
from mlserve.gateway.arms import FEEDBACK_PATH
from mlserve.gateway.cookie import LOGIN_PATH
from mlserve.hub.tokens import Tokens, covers

OPEN_PATHS = ("/healthz",)
OPEN_BELOW = (LOGIN_PATH, FEEDBACK_PATH)
"""What follows, or a header of the gateway's, is a secret of its own."""
OWNER = "hub"
"""How the holder of the hub's own token is called."""

_SERVICE = re.compile(r"(?s)/v1/services/([^/]+)(?:/.*)?")
_LOOKED_INTO = frozenset({("GET", "/v1/services"), ("POST", "/v1/services"), ("POST", "/v1/services/plan")})
"""Their own routes ask `Caller.require`: who is meant is in the body."""
_GROUPS = re.compile(r"GET /v1/groups(/[^/]+(/ab)?)?|POST /v1/groups/[^/]+/(traffic|link)")
"""The same of these: a group is somebody's, and each of its members is."""
_HELPFUL = (
    re.compile(r"GET /(openapi\.json|v1/hub|v1/resources(/[^/]+)?)"),
    re.compile(r"POST /v1/(validate|content/(local|missing|trees)|uploads/kept)"),
    re.compile(r"PUT /v1/content/blobs/[^/]+"),
)
"""What whoever looks after some services needs on the way: nothing in it changes or shows another service."""
_OWNERS = re.compile(r"(?s)(?!GET )[A-Z]+ /v1/(resources(/.*)?|hub/.*)|[A-Z]+ /v1/tokens(/.*)?")
"""What no issued token opens: it would make itself last longer, or more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ``hub`` or a token's id, and the names of the services that are theirs."""

    id: str
    services: tuple[str, ...]
    label: str = ""

    def manages(self, name: str) -> bool:
        """Whether a service of that name is theirs."""
        return covers(self.services, name)

    def require(self, name: str) -> None:
        """Raises Forbidden for somebody else's service."""
        if not self.manages(name):
            raise Forbidden(
                f'the token is for {", ".join(self.services)}, not for "{name}"',
                hint="mlserve token create --scope manage makes another, with the hub's own token",
            )


EVERYTHING = Caller(OWNER, ("*",))


def make() -> str:
    """A new token of the hub's own, fit for a header and a shell."""
    return secrets.token_urlsafe(32)


def allow(caller: Caller, method: str, path: str, owner_of: Callable[[str], str] = str) -> None:
    """Raises Forbidden where a caller may not ask this; ``owner_of``: whose a service is, which may be another name."""
    asked, service = f"{method} {path}", _SERVICE.fullmatch(path)
    if caller.id == OWNER:
        return
    if _OWNERS.fullmatch(asked):
        raise Forbidden(f"{asked} wants the hub's own token", hint="it is in hub.json of the hub's home")
    if "*" in caller.services or (method, path) in _LOOKED_INTO or _GROUPS.fullmatch(asked):
        return
    if service:
        caller.require(owner_of(service[1]))
    elif not any(known.fullmatch(asked) for known in _HELPFUL):
        hint = "mlserve token create --scope manage --service '*'"
        raise Forbidden(f"{asked} wants a token for all services", hint=hint)


class Guard:
    """Lets no request in without a token that may; only liveness and one-time codes are open."""

    def __init__(self, app: ASGIApp, token: str, refusal: Callable[[MlserveError], ASGIApp]) -> None:
        self._app, self._token, self._refusal = app, token.encode(), refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._open(scope["path"]):
            try:
                self._admit(scope)
            except Denied as refused:
                await self._refusal(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _open(self, path: str) -> bool:
        return path in OPEN_PATHS or path.startswith(OPEN_BELOW)

    def _admit(self, scope: Scope) -> None:
        caller = scope.setdefault("state", {})["caller"] = self._caller(scope)
        services = getattr(scope["app"].state, "services", None)
        allow(caller, scope["method"], scope["path"], services.owner_of if services else str)

    def _caller(self, scope: Scope) -> Caller:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, after = given.partition(b" ")
        text = after.strip() if scheme.lower() == b"bearer" else given
        if hmac.compare_digest(text, self._token):
            return EVERYTHING
        tokens: Tokens | None = getattr(scope["app"].state, "tokens", None)
        if tokens is None or not text.startswith(b"eyJ"):
            raise _DENIED
        issued = tokens.check(text.decode("latin-1"))
        return Caller(issued.id, issued.services, issued.label)


_DENIED = Denied(
    "the hub wants its token, and none or another one came",
    hint="the local hub's token is in hub.json; for a hub elsewhere set MLSERVE_TOKEN or use mlserve context add",
)
