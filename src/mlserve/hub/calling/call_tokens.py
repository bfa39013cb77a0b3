"""Whom instances may ask, and with which token: a file for each version, which only this user can read.

Its instances read it again whenever it changes, so that a token is renewed without a restart; into containers it is
brought (`Telling`). A token ends with the version it was made for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlserve.gateway.publish import write_private
from mlserve.gateway.table import Access
from mlserve.gateway.tokens import AUDIENCE
from mlserve.hub.limits import LimitsOf
from mlserve.hub.moments import moment
from mlserve.hub.places import Places
from mlserve.hub.seen import ALIVE, Seen
from mlserve.hub.tokens import Tokens, Wanted
from mlserve.workload import CALLS, TOLD, Workload

VARIABLE = "MLSERVE_CALLS"

Admit = Callable[[Access], Awaitable[None]]
Key = tuple[str, int]
"""A service and a version of it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a version's instances are given."""

    services: tuple[str, ...]
    gateway: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Told:
    """What the file of a version says."""

    token: str
    """Its id."""
    gateway: str
    text: str


class CallTokens:
    """The files of one home. ``admit`` lets the gateway know which tokens count."""

    def __init__(self, home: Path, tokens: Tokens, admit: Admit, granted: Callable[[Seen, int], Grant | None]) -> None:
        self._folder, self._tokens, self._admit, self._granted = home / "calls", tokens, admit, granted
        self._grants: Mapping[Key, Grant] | None = None
        self._told = {_key(file.stem): told for file in self._folder.glob("*.json") if (told := _read(file))}
        self._unwritten: set[Key] = set()
        self._one_at_a_time = asyncio.Lock()

    async def follow(self, sights: Sequence[Seen], now: float) -> None:
        """Give to each version that may run what it is to have, and take it from all others; raises GatewayFailed."""
        self._grants = {
            (seen.service.name, number): grant
            for seen in sights
            for number in _numbers(seen)
            if (grant := self._granted(seen, number))
        }
        await self.renew(now)

    async def renew(self, now: float) -> None:
        """Replace what ends soon, or was signed with a former key; nothing is done where nothing is due."""
        async with self._one_at_a_time:
            if self._grants is None:
                return  # nothing was seen yet, so nobody knows what has gone
            grants = self._grants
            ended = [one for one in self._tokens.made(now) if not _covers(grants, one.made_for, one.services)]
            for token in ended:
                self._tokens.revoke(token.id, now)
            for key in [key for key, grant in grants.items() if self._is_due(key, grant, now)]:
                self._told[key] = self._issued(key, grants[key], now)
                self._unwritten.add(key)
            if ended or self._unwritten:  # before anybody asks with them
                await self._admit(self._tokens.access(now))
            self._write(grants)

    def given(self, workload: Workload) -> Workload:
        """The same with what its instances may ask others by."""
        key = workload.service, workload.version
        if key not in self._told:
            return workload
        file = str(self._file(key))
        place = file if workload.image is None else f"{TOLD}/{CALLS}"
        told = workload.told if workload.image is None else {**workload.told, CALLS: file}
        return replace(workload, environment={**workload.environment, VARIABLE: place}, told=told)

    def text(self, service: str, version: int) -> str:
        """What the file of a version says; empty where it has none."""
        told = self._told.get((service, version))
        return told.text if told else ""

    def _is_due(self, key: Key, grant: Grant, now: float) -> bool:
        told = self._told.get(key)
        if told is None or told.gateway != grant.gateway or not self._tokens.fresh(told.token, now):
            return True
        return self._tokens.get(told.token).services != _sorted(grant)

    def _issued(self, key: Key, grant: Grant, now: float) -> _Told:
        service, version = key
        wanted = Wanted((AUDIENCE,), grant.services, grant.seconds, made_for=f"{service}@{version}")
        token, text = self._tokens.issue(wanted, now)
        said = {
            "gateway": grant.gateway,
            "services": {name: f"{grant.gateway}/api/predict/{name}" for name in grant.services},
            "token": text,
            "expires_at": moment(token.expires_at),
            "id": token.id,
        }
        return _Told(token.id, grant.gateway, json.dumps(said))

    def _write(self, grants: Mapping[Key, Grant]) -> None:
        """Files of versions that are gone go; one that was lost comes back."""
        if not self._told:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in self._told.keys() - grants.keys():
            self._file(key).unlink(missing_ok=True)
            del self._told[key]
        for key, told in self._told.items():
            if key in self._unwritten or not self._file(key).exists():
                write_private(self._file(key), told.text)
        self._unwritten.clear()

    def _file(self, key: Key) -> Path:
        return self._folder / f"{key[0]}@{key[1]}.json"


def grants(limits: LimitsOf, places: Places, seconds: float) -> Callable[[Seen, int], Grant | None]:
    """What versions are given, by what their descriptors say and where they run; None: nothing."""

    def granted(seen: Seen, number: int) -> Grant | None:
        calls, place = limits(seen.service.name, number).calls, places.find(seen.service.resource)
        if not calls or place is None:
            return None
        return Grant(calls, places.gateway(place), seconds)

    return granted


def _numbers(seen: Seen) -> set[int]:
    """The versions whose instances ask now, or may from the next step on."""
    service = seen.service
    alive = {one.version for one in seen.instances if one.state in ALIVE and one.version in seen.versions}
    if service.deleting:
        return alive
    kept = {service.kept.version} if service.kept else set()
    return alive | kept | {service.target} | ({service.serving} if service.serving else set())


def _sorted(grant: Grant) -> tuple[str, ...]:
    return tuple(sorted(set(grant.services)))


def _covers(grants: Mapping[Key, Grant], made_for: str, services: Sequence[str]) -> bool:
    grant = grants.get(_key(made_for))
    return grant is not None and _sorted(grant) == tuple(services)


def _key(text: str) -> Key:
    service, _, version = text.rpartition("@")
    return service, int(version) if version.isdecimal() else 0


def _read(file: Path) -> _Told | None:
    """What an earlier hub wrote; None where that can't be understood, so that it is written anew."""
    try:
        text = file.read_text()
        said = json.loads(text)
        return _Told(str(said["id"]), str(said["gateway"]), text)
    except (OSError, ValueError, KeyError, TypeError):
        return None
