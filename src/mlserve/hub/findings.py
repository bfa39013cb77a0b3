"""What instances find in their requests, asked of each that watches: only they know, and it is always new."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from mlserve.backends.aside import aside
from mlserve.gateway.vouching import GATEWAY_HEADER

log = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds; an instance that is at its limit must not hold up whoever looks at it."""
_MOST = 4 << 20


async def with_findings(service: dict[str, Any], secret: str) -> dict[str, Any]:
    """A service as `view` shows it, with ``drift`` at the instances that watch for it and answer.

    ``secret``: by which they let the gateway in, and us.
    """
    watching = [one for one in service["instances"] if one["state"] == "Ready" and "drift" in one["facts"]]
    found = await asyncio.gather(*(aside(partial(_drift, one["address"], secret)) for one in watching))
    for instance, drift in zip(watching, found, strict=True):
        instance["drift"] = drift
    return service


def _drift(address: str, secret: str) -> Mapping[str, Any] | None:
    """None where it says nothing now: it may have ended since we last looked."""
    connection = http.client.HTTPConnection(address, timeout=_PATIENCE)
    try:
        connection.request("GET", "/drift", headers={GATEWAY_HEADER: secret})
        answer = connection.getresponse()
        told = json.loads(answer.read(_MOST), parse_constant=lambda _: None) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError) as exc:
        log.info("event=no-findings address=%s error=%s", address, exc)
        return None
    finally:
        connection.close()
    return told if isinstance(told, dict) else None
