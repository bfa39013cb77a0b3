"""Routes of mirrors: whom copies of a service's requests go to."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from mlserve.hub.api.answers import ServiceAnswer
from mlserve.hub.api.bodies import MirrorBody
from mlserve.hub.api.services import caller_of, describe_service, hub_of
from mlserve.hub.mirror import mirror
from mlserve.hub.records import Mirror

router = APIRouter(prefix="/v1/services", tags=["services"])


@router.post("/{name}/mirror", responses={200: {"model": ServiceAnswer}})
async def copy_requests(request: Request, name: str, body: MirrorBody) -> dict[str, Any]:
    """Send copies of its requests to another service, whose answers nobody waits for."""
    caller_of(request).require(body.to)
    mirror(hub_of(request).wishes, name, Mirror(body.to, body.percent))
    request.app.state.reconciler.wake()
    return await describe_service(request, name)


@router.delete("/{name}/mirror", responses={200: {"model": ServiceAnswer}})
async def end_copies(request: Request, name: str) -> dict[str, Any]:
    """Send no more copies."""
    mirror(hub_of(request).wishes, name, None)
    request.app.state.reconciler.wake()
    return await describe_service(request, name)
