"""Routes of the hub itself."""

from __future__ import annotations

import os
import platform
from typing import Any

from fastapi import APIRouter, Request

from mlserve.hub import checks
from mlserve.hub.api.bodies import StopBody, ValidateBody
from mlserve.hub.api.services import hub_of, services_of
from mlserve.hub.moments import moment
from mlserve.hub.validation import validate

router = APIRouter(tags=["hub"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive; the only route that wants no token."""
    return {"status": "ok"}


@router.get("/v1/hub")
async def describe_hub(request: Request) -> dict[str, Any]:
    """Who this hub is and where it listens."""
    state = request.app.state
    return {
        "version": state.version,
        "pid": os.getpid(),
        "home": str(state.settings.home),
        "url": state.url,
        "gateway": state.gateway_url,
        "open_at": state.open_at,
        "started_at": moment(state.started_at),
        "services": len(services_of(request).list()),
        "python": platform.python_version(),
    }


@router.post("/v1/hub/stop", status_code=202)
async def stop_hub(request: Request, body: StopBody) -> dict[str, Any]:
    """End this hub; what it serves goes on unless ``all`` is set."""
    request.app.state.stop(body.all)
    return {"stopping": True, "all": body.all}


@router.get("/v1/hub/checks")
async def check_hub(request: Request) -> dict[str, Any]:
    """The hub's part of ``mlserve doctor``."""
    return {
        "checks": await checks.all_checks(request.app.state.settings.home, hub_of(request), request.app.state.gateway)
    }


@router.post("/v1/validate")
async def validate_descriptor(request: Request, body: ValidateBody) -> dict[str, Any]:
    """Check a descriptor, its files and the capacity for it, without keeping or starting anything."""
    hub = hub_of(request)
    known = request.app.state.names()
    return await validate(body.submission(), hub.places, request.app.state.preparer, known, fetch=body.fetch)
