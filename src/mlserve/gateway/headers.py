"""Headers that the gateway sets itself, whatever came under their names. Pure."""

from __future__ import annotations

from typing import Any


def overwriting(name: str, value: str) -> dict[str, Any]:
    """The header as Envoy reads it, for requests and answers alike; a ``value`` may have Envoy's ``%…%`` in it."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
