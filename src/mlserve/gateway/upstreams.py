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

Places = tuple[tuple[str, int], ...]
"""``(host:port, weight)`` of each instance."""


@lru_cache(maxsize=4096)
def upstreams_json(service: str, direct: Places | str, retry: bool = True, name_in_group: str = "") -> list[str]:
    """The entries of the route table's map for a service; ``direct``: its addresses and weights, or why none is told.

    Such a reason goes into the words of the refusal (see `replies`). ``name_in_group``: a further name of the service.
    """
    if isinstance(direct, str):
        said: dict[str, Any] = {"status": 403, **({"body": {"inline_string": direct}} if direct else {})}
    else:
        said = {"status": 200, "body": _answer(service, direct, retry)}
    names = (service, name_in_group) if name_in_group else (service,)
    at = [f"{path}/{name}" for name in names for path in UPSTREAMS]
    return [entry(path, service, [_route(path, service, said)]) for path in at]


def _route(path: str, service: str, said: dict[str, Any]) -> dict[str, Any]:
    match = {"path": path, "headers": [exact(":method", "GET")]}
    return {"name": service, "match": match, "direct_response": said}


def _answer(service: str, direct: Places, retry: bool) -> dict[str, Any]:
    items = [{"app": service, **_place(address), "weight": weight} for address, weight in direct]
    answer = {"correlative": [service], "endpoints": {"items": items}}
    once = {} if retry else {"retry": False}  # a word of ours: a request must not run twice
    return {"inline_string": json.dumps(answer | once, separators=(",", ":"))}


def _place(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"ip": host, "port": int(port)}
