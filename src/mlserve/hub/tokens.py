"""Tokens that the hub issues: for requests to services (evaluate) or for looking after them (manage), by name.

The hub keeps what a token is for and when it ends, never the token itself.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from mlserve.errors import Conflict, Denied, InvalidInput, NotFound
from mlserve.gateway.table import Access
from mlserve.gateway.tokens import AUDIENCE, CLAIM
from mlserve.hub.keys import Keys
from mlserve.hub.store.base import Record, Store

MANAGE = "manage"
SCOPES = (AUDIENCE, MANAGE)
_KIND = "token"
_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,62}\*?|\*")
_LONGEST = 10 * 366 * 86400.0
_MOST = 10_000
_REMEMBERED = 7 * 86400.0
"""How long an ended token is still listed."""


@dataclass(frozen=True, slots=True)
class Token:
    """What one is for. ``services``: names, ``fraud*`` for all that begin so, ``*`` for all. Times as seconds."""

    id: str
    scopes: tuple[str, ...]
    services: tuple[str, ...]
    created_at: float
    expires_at: float
    kid: str
    label: str = ""
    revoked_at: float | None = None
    rate: int = 0
    """Requests a second that it may make, over all services; 0: any number."""
    made_for: str = ""
    """Whose instances ask with it, ``NAME@VERSION``: the hub makes and renews these by itself; "": it was asked for."""

    def live(self, now: float) -> bool:
        """Its time has not come; it may have been revoked."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to issue; ``seconds``: how long it lives."""

    scopes: Sequence[str]
    services: Sequence[str]
    seconds: float
    label: str = ""
    rate: int = 0
    made_for: str = ""


def covers(services: Sequence[str], name: str) -> bool:
    """Whether a token for these services is one for the service of that name."""
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in services)


class Tokens:
    """The tokens of one hub, whose store and keys survive it."""

    def __init__(self, store: Store, keys: Keys, hub: str) -> None:
        self._store, self._keys, self._issuer = store, keys, f"mlserve:{hub}"
        self._known = {record.key: (_from(record), record.revision) for record in store.list(_KIND)}
        if not self._known:  # a store that was lost took along which tokens were revoked
            for key in keys.all():
                keys.remove(key.kid)
        self._forget(time.time())

    def all(self) -> Sequence[Token]:
        """Every token that somebody asked for and that lives or ended lately, newest first."""
        asked = (token for token, _ in self._known.values() if not token.made_for)
        return sorted(asked, key=lambda token: token.created_at, reverse=True)

    def made(self, now: float) -> Sequence[Token]:
        """Those that the hub made for instances and that open something."""
        return [token for token, _ in self._known.values() if token.made_for and self.state(token, now) == "valid"]

    def fresh(self, id: str, now: float) -> bool:
        """Whether a token opens something, has half of its time before it, and was signed with the newest key."""
        token, signing = self._known[id][0] if id in self._known else None, next(iter(self._keys.all()), None)
        if token is None or signing is None or self.state(token, now) != "valid":
            return False
        return token.kid == signing.kid and now < (token.created_at + token.expires_at) / 2

    def issue(self, wanted: Wanted, now: float) -> tuple[Token, str]:
        """A new token, and its text, which nobody can be told again; raises InvalidInput, Conflict."""
        _check(wanted)
        self._forget(now)
        if not wanted.made_for and sum(token.live(now) for token in self.all()) >= _MOST:
            raise Conflict(
                f"there are {_MOST} tokens that live", hint="let one token open several services, e.g. fraud*"
            )
        made, ends = secrets.token_hex(8), int(now + wanted.seconds)
        scopes, services = sorted(set(wanted.scopes)), sorted(set(wanted.services))
        claims = {"iss": self._issuer, "aud": scopes, "jti": made, "iat": int(now), "exp": ends, CLAIM: services}
        text, kid = self._keys.sign(claims, now)
        token = Token(
            made, tuple(scopes), tuple(services), now, float(ends), kid, wanted.label,
            rate=wanted.rate, made_for=wanted.made_for,
        )  # fmt: skip
        self._put(token)
        return token, text

    def get(self, id: str) -> Token:
        """One of them; raises NotFound."""
        if id not in self._known:
            raise NotFound(f'no token "{id}"', hint="mlserve token list shows their ids")
        return self._known[id][0]

    def revoke(self, id: str, now: float) -> Token:
        """It opens nothing any more; doing it twice changes nothing. Raises NotFound."""
        token = self.get(id)
        if token.revoked_at is None:
            token = replace(token, revoked_at=now)
            self._put(token)
        return token

    def rotate(self, now: float) -> None:
        """A new key signs from now on; tokens of the former ones go on."""
        self._keys.rotate(now)
        self._forget(now)

    def remove_old(self) -> None:
        """What other keys signed than the newest ends."""
        for key in self._keys.all()[1:]:
            self._keys.remove(key.kid)

    def keys(self) -> Sequence[str]:
        """Ids of the keys that count, the one that signs first."""
        return [key.kid for key in self._keys.all()]

    def check(self, text: str) -> Token:
        """The token that a caller of the management API has; raises Denied."""
        claims = self._keys.check(text, audience=MANAGE, issuer=self._issuer)
        known = self._known.get(str(claims["jti"]))
        if known is None or known[0].revoked_at is not None:
            raise Denied("the token was revoked", hint="mlserve token create makes another")
        return known[0]

    def state(self, token: Token, now: float) -> str:
        """``valid``, ``revoked``, ``expired``, or ``ended`` where its key was removed."""
        if token.revoked_at is not None:
            return "revoked"
        if not token.live(now):
            return "expired"
        return "valid" if token.kid in {key.kid for key in self._keys.all()} else "ended"

    def access(self, now: float) -> Access:
        """What the gateway has to know of them."""
        live = [token for token, _ in self._known.values() if token.live(now) and AUDIENCE in token.scopes]
        keys = tuple(key.jwk for key in self._keys.all()) if live else ()
        revoked = frozenset(token.id for token in live if token.revoked_at is not None)
        rates = frozenset((token.id, token.rate) for token in live if token.rate and token.revoked_at is None)
        services = frozenset(name for token in live for name in token.services)
        return Access(self._issuer, keys, revoked, services, rates)

    def _forget(self, now: float) -> None:
        """Tokens that ended long ago, and keys that no living token needs."""
        ended = [token for token, _ in self._known.values() if _forgotten_at(token) < now]
        for token in ended:
            self._store.delete(_KIND, token.id)
            del self._known[token.id]
        needed = {token.kid for token, _ in self._known.values() if token.live(now)}
        for key in self._keys.all()[1:]:
            if key.kid not in needed:
                self._keys.remove(key.kid)

    def _put(self, token: Token) -> None:
        revision = self._known[token.id][1] if token.id in self._known else 0
        stored = self._store.put(Record(_KIND, token.id, asdict(token)), revision)
        self._known[token.id] = (token, stored.revision)


def _forgotten_at(token: Token) -> float:
    return token.expires_at + (0.0 if token.made_for else _REMEMBERED)


def _check(wanted: Wanted) -> None:
    if not wanted.scopes or set(wanted.scopes) - set(SCOPES):
        raise InvalidInput(f"a token's scope is {' or '.join(SCOPES)}", hint="--scope evaluate: requests to services")
    wrong = [each for each in wanted.services if not _PATTERN.fullmatch(each)]
    if wrong or not 1 <= len(wanted.services) <= 100:
        said = f'"{wrong[0]}" is not a service name' if wrong else "a token names 1 to 100 services"
        raise InvalidInput(said, hint="a name, fraud* for all that begin so, or * for all")
    if not 0 <= wanted.rate <= 1_000_000:
        raise InvalidInput(
            f"a token can't make {wanted.rate} requests a second", hint="1 to 1000000; 0: without a limit"
        )
    if not 1 <= wanted.seconds <= _LONGEST:
        raise InvalidInput("a token is valid for at least one second and at most ten years", hint="--expires 30d")


def _from(record: Record) -> Token:
    data = dict(record.data)
    return Token(**{**data, "scopes": tuple(data["scopes"]), "services": tuple(data["services"])})
