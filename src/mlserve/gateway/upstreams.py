"""Where a service's instances are, for whoever asks them directly: in the form, and at the paths, of EAS. Pure.

Envoy answers by itself, from the table that its own requests go by: also while the hub is away, and never with an
instance that has left the table, which is what happens before one is stopped.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from mlserve.gateway.matches import UPSTREAMS, exact
from mlserve.gateway.route_table import entry


@lru_cache(maxsize=4096)
def upstreams_json(service: str, direct: tuple[tuple[str, int], ...] | None) -> list[str]:
    """The entries of the route table's map for a service; ``direct``: its addresses and weights, `None` to refuse."""
    return [entry(f"{path}/{service}", service, [_route(f"{path}/{service}", service, direct)]) for path in UPSTREAMS]


def _route(path: str, service: str, direct: tuple[tuple[str, int], ...] | None) -> dict[str, Any]:
    match = {"path": path, "headers": [exact(":method", "GET")]}
    answer = {"status": 403} if direct is None else {"status": 200, "body": {"inline_string": _answer(service, direct)}}
    return {"name": service, "match": match, "direct_response": answer}


def _answer(service: str, direct: tuple[tuple[str, int], ...]) -> str:
    items = [{"app": service, **_place(address), "weight": weight} for address, weight in direct]
    return json.dumps({"correlative": [service], "endpoints": {"items": items}}, separators=(",", ":"))


def _place(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"ip": host, "port": int(port)}
