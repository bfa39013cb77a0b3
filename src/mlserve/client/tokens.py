"""The tokens that a hub issued, by what they open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlserve.client.tables import Table
from mlserve.management import Management

COLUMNS = ("id", "label", "scopes", "services", "state", "expires_at")
_MONTH = 30 * 86400.0


class Tokens:
    """``client.tokens``: create, list, revoke, rotate; they want the hub's own token."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def create(
        self,
        services: Sequence[str],
        *,
        scopes: Sequence[str] = ("evaluate",),
        expires: float = _MONTH,
        label: str = "",
        rate_limit: int = 0,
    ) -> Mapping[str, Any]:
        """A token for services, ``fraud*`` for all that begin so: ``["token"]`` has it, and is told once.

        ``scopes``: ``evaluate`` for requests, ``manage`` for the management API; ``expires``: seconds from now;
        ``rate_limit``: requests a second that it may make, 0 for any number.
        """
        wished = {"services": list(services), "scopes": list(scopes), "expires": expires, "label": label}
        return self._management.post("/v1/tokens", {**wished, "rate_limit": rate_limit})

    def list(self) -> Table:
        """Every token that lives or ended lately, newest first; never the tokens themselves."""
        return Table([_row(token) for token in self._management.get("/v1/tokens")["tokens"]], COLUMNS)

    def revoke(self, id: str) -> Mapping[str, Any]:
        """End a token now; raises NotFound."""
        return self._management.delete(f"/v1/tokens/{quote(id, safe='')}")

    def rotate(self, *, remove: bool = False) -> Mapping[str, Any]:
        """Sign with a new key from now on; ``remove`` ends what the former keys signed."""
        return self._management.post("/v1/tokens/rotate", {"remove": remove})


def _row(token: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**token, "scopes": Words(token["scopes"]), "services": Words(token["services"])}


class Words(list[str]):
    """Words that show themselves as a text."""

    def __str__(self) -> str:
        return ", ".join(self)
