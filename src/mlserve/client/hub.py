"""The hub itself, as a client sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.management import Management


class Hub:
    """``client.hub``: who it is, its checks, its end."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def status(self) -> Mapping[str, Any]:
        """Version, pid, home, addresses."""
        return self._management.get("/v1/hub")

    def checks(self) -> Sequence[Mapping[str, Any]]:
        """The hub's part of ``mlserve doctor``: ``{name, ok, detail, fix}``."""
        answer = self._management.get("/v1/hub/checks")
        return list(answer.get("checks") or answer.get("items") or [])

    def stop(self, *, all: bool = False) -> Mapping[str, Any]:
        """End the hub; what it serves goes on unless ``all``. Returns as soon as it is accepted."""
        return self._management.post("/v1/hub/stop", {"all": all})
