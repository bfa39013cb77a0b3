"""Links that open a service in a browser: a one-time code each, exchanged for the cookie that the gateway takes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from mlserve.errors import Denied
from mlserve.gateway.browser import PREFIX
from mlserve.gateway.cookie import LOGIN_PATH, cookie, set_cookie
from mlserve.hub.records import Service
from mlserve.hub.routing import Limits
from mlserve.hub.store.base import Record, Store
from mlserve.hub.wishes import Wishes

SECONDS = 600.0
"""How long a link waits to be opened."""
_MOST = 50
"""Links of one service that wait at the same time: whoever asks in a loop fills no disk."""
_KIND = "link"


@dataclass(frozen=True, slots=True)
class Link:
    """An address below the gateway's; ``until``: seconds since the epoch, None where it needs no code."""

    path: str
    until: float | None


@dataclass(frozen=True, slots=True)
class Opened:
    """Where a browser goes on, and the cookie it takes along."""

    path: str
    cookie: str


class Links:
    """Codes are kept as hashes, in the hub's store: a hub that restarts knows those it gave."""

    def __init__(self, store: Store, wishes: Wishes, limits: Callable[[str, int], Limits]) -> None:
        self._store, self._wishes, self._limits = store, wishes, limits

    def make(self, name: str, now: float) -> Link:
        """A new link to a service; raises NotFound."""
        service = self._wishes.service(name)
        if service.public:
            return Link(self._address(service), None)
        self._clear(name, now)
        code = secrets.token_urlsafe(32)
        data = {"service": name, "proof": _proof(service), "until": now + SECONDS}
        self._store.put(Record(_KIND, _hash(code), data), 0)
        return Link(f"{LOGIN_PATH}{code}", now + SECONDS)

    def open(self, code: str, now: float) -> Opened:
        """What a code stands for, once; raises Denied, which does not say why."""
        record = self._store.get(_KIND, _hash(code))
        self._store.delete(_KIND, _hash(code))
        service = self._wishes.find(str(record.data["service"])) if record else None
        if record is None or service is None or record.data["until"] < now or record.data["proof"] != _proof(service):
            raise Denied(
                "this link was opened before, or is too old",
                hint="mlserve describe NAME prints a new one; it opens once, within ten minutes",
            )
        return Opened(self._address(service), set_cookie(service.name, service.token, PREFIX))

    def _address(self, service: Service) -> str:
        limits = self._limits(service.name, service.serving or service.target)
        return f"{PREFIX}/{service.name}/{'docs' if limits.open_docs else ''}"

    def _clear(self, name: str, now: float) -> None:
        """Forget what is too old, and the oldest of a service that has many."""
        kept = self._store.list(_KIND)
        old = [record for record in kept if record.data["until"] < now]
        mine = sorted(
            (r for r in kept if r.data["service"] == name and r not in old), key=lambda record: record.data["until"]
        )
        for record in (*old, *mine[: max(len(mine) - _MOST + 1, 0)]):
            self._store.delete(_KIND, record.key)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _proof(service: Service) -> str:
    """Another token, also that of a later service of the same name, is another proof."""
    value = cookie(service.name, service.token) if not service.public else ""
    return hmac.digest(value.encode(), b"link", "sha256").hex()
