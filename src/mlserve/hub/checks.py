"""The hub's part of `mlserve doctor`: named checks of its home, gateway and backends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from mlserve.errors import ResourceUnavailable
from mlserve.gateway.envoy import Gateway
from mlserve.hub.hub import Hub

_ENOUGH_DISK = 1 << 30


async def all_checks(home: Path, hub: Hub, gateway: Gateway) -> list[dict[str, Any]]:
    """Each check as ``{"name", "ok", "detail", "fix"}``."""
    return [
        _disk(home),
        _writable(home),
        await _gateway(gateway),
        *[await _backend(hub, place.name) for place in hub.places.all()],
    ]


def _check(name: str, ok: bool, detail: str, fix: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail, "fix": "" if ok else fix}


def _disk(home: Path) -> dict[str, Any]:
    free = shutil.disk_usage(home).free
    return _check(
        "hub disk",
        free > _ENOUGH_DISK,
        f"{free >> 20} MB free at {home}",
        "free some disk, or set MLSERVE_HOME to a larger one",
    )


def _writable(home: Path) -> dict[str, Any]:
    private = not home.stat().st_mode & 0o077
    ok = os.access(home, os.W_OK) and private
    return _check("hub home", ok, f"{home} {'is private' if private else 'can be read by others'}", f"chmod 700 {home}")


async def _gateway(gateway: Gateway) -> dict[str, Any]:
    problem = gateway.problem.message if gateway.problem else ""
    detail = problem or f"Envoy (pid {gateway.pid}) at {gateway.address}"
    return _check(
        "gateway", not problem and gateway.pid is not None, detail, "mlserve hub logs shows why Envoy does not run"
    )


async def _backend(hub: Hub, name: str) -> dict[str, Any]:
    place = hub.places.get(name)
    fix = f"mlserve resource describe {name} shows it; what runs there goes on, and is taken up again by itself"
    try:
        capacity = await place.backend.capacity()
    except ResourceUnavailable as exc:
        return _check(f"resource group {name}", False, exc.message, exc.hint or fix)
    detail = f"{place.kind}: {capacity.cpu:g} cores, {capacity.memory_free_mb} MB free" if capacity.cpu else place.kind
    return _check(f"resource group {name}", True, detail, "")
