"""Links that open a service or group in a browser: one-time codes, each exchanged for the cookie the gateway takes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from mlserve.errors import Denied, NotFound
from mlserve.gateway.browser import PREFIX
from mlserve.gateway.cookie import LOGIN_PATH, cookie, set_cookie
from mlserve.hub.groups.joining import members_of
from mlserve.hub.limits import LimitsOf
from mlserve.hub.records import Service
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


@dataclass(frozen=True, slots=True)
class Place:
    """A service or a group, as far as a browser is concerned."""

    name: str
    token: str
    """Empty: anybody may open it."""
    docs: bool
    """It has a page at ``/docs``."""

    @property
    def address(self) -> str:
        """Where the browser goes."""
        return f"{PREFIX}/{self.name}/{'docs' if self.docs else ''}"


def places(wishes: Wishes, limits: LimitsOf) -> Callable[[str], Place | None]:
    """How a service or a group is found by its name."""

    def docs(service: Service) -> bool:
        return limits(service.name, service.in_force).open_docs

    def find(name: str) -> Place | None:
        if service := wishes.find(name):
            return Place(name, "" if service.public else service.token, docs(service))
        members = members_of(wishes, limits, name)
        group = next((one for one in wishes.groups() if one.name == name), None)
        return Place(name, group.token, all(map(docs, members))) if group and members else None

    return find


class Links:
    """Codes are kept as hashes, in the hub's store: a hub that restarts knows those it gave."""

    def __init__(self, store: Store, find: Callable[[str], Place | None]) -> None:
        self._store, self._find = store, find

    def make(self, name: str, now: float) -> Link:
        """A new link to a service or group; raises NotFound."""
        place = self._find(name)
        if place is None:
            raise NotFound(f'no service or group "{name}"', hint="mlserve list shows all of them")
        if not place.token:
            return Link(place.address, None)
        self._clear(name, now)
        code = secrets.token_urlsafe(32)
        data = {"service": name, "proof": _proof(place), "until": now + SECONDS}
        self._store.put(Record(_KIND, _hash(code), data), 0)
        return Link(f"{LOGIN_PATH}{code}", now + SECONDS)

    def open(self, code: str, now: float) -> Opened:
        """What a code stands for, once; raises Denied, which does not say why."""
        record = self._store.get(_KIND, _hash(code))
        self._store.delete(_KIND, _hash(code))
        place = self._find(str(record.data["service"])) if record else None
        if record is None or place is None or record.data["until"] < now or record.data["proof"] != _proof(place):
            raise Denied(
                "this link was opened before, or is too old",
                hint="mlserve describe NAME prints a new one; it opens once, within ten minutes",
            )
        return Opened(place.address, set_cookie(place.name, place.token, PREFIX))

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


def _proof(place: Place) -> str:
    """Another token, also that of a later service of the same name, is another proof."""
    value = cookie(place.name, place.token) if place.token else ""
    return hmac.digest(value.encode(), b"link", "sha256").hex()
