"""What the management API says of tokens and keys, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from mlserve.hub.api.answers import Answer


class TokenAnswer(Answer):
    """A token that the hub issued; the token itself is told once, when it is made."""

    id: str
    label: str
    scopes: list[str]
    services: list[str]
    rate_limit: int | None
    state: Literal["valid", "revoked", "expired", "ended"]
    created_at: str
    expires_at: str
    revoked_at: str | None
    key: str


class IssuedAnswer(TokenAnswer):
    """A new one."""

    token: str


class TokensAnswer(Answer):
    """All tokens, newest first."""

    tokens: list[TokenAnswer]


class KeysAnswer(Answer):
    """Ids of keys: which signs, and all whose tokens are taken."""

    signing: str
    checking: list[str]
