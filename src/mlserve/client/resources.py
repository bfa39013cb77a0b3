"""The resource groups of a hub: its backends, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlserve.client.tables import Table
from mlserve.management import Management


class Resources:
    """``client.resources``: get, list, add, remove."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def list(self) -> Table:
        """All resource groups."""
        return Table(self._management.get("/v1/resources")["resources"], ("name", "backend", "default", "status"))

    def get(self, name: str) -> Mapping[str, Any]:
        """One of them, with what it has and what is free; raises NotFound."""
        return self._management.get(_path(name))

    def add(self, name: str, backend: str, options: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """A backend under a new name; raises Conflict."""
        body = {"name": name, "backend": backend, "options": dict(options or {})}
        return self._management.post("/v1/resources", body)

    def remove(self, name: str) -> None:
        """Forget one; raises Conflict while a service uses it."""
        self._management.delete(_path(name))


def _path(name: str) -> str:
    return f"/v1/resources/{quote(name, safe='')}"
