"""Routes of what was done, and by whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from mlserve.hub.api.event_answers import EventsAnswer
from mlserve.hub.api.services import hub_of
from mlserve.hub.events import HUB, Events
from mlserve.hub.moments import moment

router = APIRouter(tags=["events"])


@router.get("/v1/events", responses={200: {"model": EventsAnswer}})
async def list_hub_events(request: Request) -> dict[str, Any]:
    """What was done to the hub itself (tokens, resource groups), newest first."""
    return _shown(request, HUB)


@router.get("/v1/services/{name}/events", responses={200: {"model": EventsAnswer}})
async def list_events(request: Request, name: str) -> dict[str, Any]:
    """What was done to a service, also one that is gone, newest first."""
    return _shown(request, name)


def _shown(request: Request, name: str) -> dict[str, Any]:
    events: Events = request.app.state.events
    if not events.knows(name):
        if name != HUB:
            hub_of(request).wishes.service(name)
        return {"events": []}
    return {"events": [{**asdict(event), "at": moment(event.at)} for event in events.of(name)]}
