"""The resource groups of a hub: its backends, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlserve.client.tables import Table
from mlserve.management import Management

COLUMNS = ("name", "backend", "default", "status", "reason")


class Resources:
    """``client.resources``: get, list, add, use, remove."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def list(self) -> Table:
        """All resource groups."""
        return Table(self._management.get("/v1/resources")["resources"], COLUMNS)

    def get(self, name: str) -> Mapping[str, Any]:
        """One of them, with what it has and what is free; raises NotFound."""
        return self._management.get(_path(name))

    def add(
        self,
        name: str,
        backend: str,
        options: Mapping[str, Any] | None = None,
        *,
        credentials: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Mapping[str, Any]:
        """A backend under a new name; raises Conflict, and ResourceUnavailable where it can't be reached.

        ``options`` of a Docker group: ``host``, ``tls_ca``, ``tls_cert``, ``tls_key``, ``address``, …; files and docker
        contexts are those of the hub's machine. ``credentials``: AWS_… and OSS_… variables for the storage that its
        services name. ``check=False`` adds it whether it answers or not.
        """
        body = {"name": name, "backend": backend, "options": dict(options or {})}
        return self._management.post("/v1/resources", {**body, "credentials": dict(credentials or {}), "check": check})

    def use(self, name: str) -> Mapping[str, Any]:
        """Make it the default one, which an empty ``metadata.resource`` means; raises NotFound."""
        return self._management.post(f"{_path(name)}/use", {})

    def remove(self, name: str) -> None:
        """Forget one; raises Conflict while a service uses it."""
        self._management.delete(_path(name))


def _path(name: str) -> str:
    return f"/v1/resources/{quote(name, safe='')}"
