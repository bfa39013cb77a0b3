"""What instances are told of who may ask them directly: a file for each service, which only this user can read.

They read it again whenever it changes, so that a revoked token opens nothing from then on, here as at the
gateway. The file stays while the hub is away.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlserve.gateway.publish import write_private
from mlserve.gateway.table import Access
from mlserve.hub.records import Service
from mlserve.hub.wishes import Wishes

Groups = Callable[[Service], Mapping[str, str]]
"""The token of each group that a service is in."""


def none(_: Service) -> Mapping[str, str]:
    """It is in no group."""
    return {}


class Admission:
    """The files of one home. ``secret`` is the home's; ``access`` says which of the hub's own tokens open services."""

    def __init__(
        self, home: Path, secret: str, wishes: Wishes, access: Callable[[float], Access], groups: Groups = none
    ) -> None:
        self._folder, self._secret = home / "access", secret
        self._wishes, self._access, self._groups = wishes, access, groups
        self._told: dict[str, tuple[str, bool, Mapping[str, str], Access]] = {}
        self._texts: dict[str, str] = {}
        self._swept = False

    def file(self, service: str) -> Path:
        """Where a service's instances read who may ask them."""
        return self._folder / f"{service}.json"

    def text(self, service: str) -> str:
        """What the file says; empty for a service that is gone."""
        return self._texts.get(service, "")

    def secret(self, service: str) -> str:
        """By what a service's instances know the gateway. Another service's is of no use to them."""
        return hmac.new(self._secret.encode(), service.encode(), hashlib.sha256).hexdigest()[:32]

    def feedback(self, name: str) -> str:
        """By what the hub knows feedback about an address whose token the gateway has checked. No instance knows it."""
        return self.secret(f"{name}/feedback")

    def tell(self, now: float) -> None:
        """Write what has changed, and drop what was of services that are gone; raises GatewayFailed."""
        access, services = self._access(now), self._wishes.services()
        for service in services:
            groups = self._groups(service)
            wished = service.token, service.public, groups, access
            if self._told.get(service.name) != wished:
                self._write(service, groups, access)
                self._told[service.name] = wished
        self._sweep({service.name for service in services})

    def _write(self, service: Service, groups: Mapping[str, str], access: Access) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        said: dict[str, Any] = {
            "token": service.token,
            "groups": groups,
            "public": service.public,
            "gateway": self.secret(service.name),
            "issuer": access.issuer,
            "keys": [json.loads(key) for key in access.keys],
            "revoked": sorted(access.revoked),
            "limited": sorted(token for token, _ in access.rates),
        }
        self._texts[service.name] = json.dumps(said)
        write_private(self.file(service.name), self._texts[service.name])

    def _sweep(self, names: set[str]) -> None:
        gone = set(self._told) - names
        if not self._swept:  # of an earlier hub's
            gone |= {file.stem for file in self._folder.glob("*.json")} - names
        for name in gone:
            self.file(name).unlink(missing_ok=True)
            self._told.pop(name, None)
            self._texts.pop(name, None)
        self._swept = True
