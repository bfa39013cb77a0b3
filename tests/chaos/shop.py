"""A small program as a service: it starts at once, so that a row of the table is about the trouble and little else."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.chaos.load import Load
from tests.walk.release_kit import descriptor

from mlserve.client import Client, Service

LIMIT = 60


def shop(hub: Client, folder: Path, instances: int = 2, **more: Any) -> Service:
    """The service as the test before left it, or a new one."""
    there = hub.services.list()
    return there[0] if there else hub.services.create(wish(folder, "one", instances=instances, **more)).wait(LIMIT)


def wish(folder: Path, who: str, release: Mapping[str, Any] | None = None, *, instances: int = 2, **more: Any) -> Path:
    """A version that answers with its name, once for all of the environment that ``more`` may give it."""
    metadata = {"instance": instances, **more.pop("metadata", {})}
    return descriptor(folder, who, release, metadata=metadata, **more)


def under_load(service: Any, token: str = "", tls: ssl.SSLContext | None = None) -> Load:
    """Four connections, each anew after fifty requests; ``service``: one, or a group."""
    secret = token or service.token
    return Load(service.endpoint, secret, b"{}", connections=4, pause=0.02, tls=tls, renewed_after=50)
