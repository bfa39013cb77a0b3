"""Routes of resource groups."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from mlserve.backends.base import Capacity
from mlserve.errors import ResourceUnavailable
from mlserve.hub import view
from mlserve.hub.api.bodies import ResourceBody
from mlserve.hub.api.services import hub_of
from mlserve.hub.hub import Hub
from mlserve.hub.places import Place

router = APIRouter(prefix="/v1/resources", tags=["resources"])

ANSWER_SECONDS = 10.0
"""How long a group may take to say what it has; engines that start a container to look at their GPUs need some."""


@router.get("")
async def list_resources(request: Request) -> dict[str, Any]:
    """All resource groups."""
    hub = hub_of(request)
    return {"resources": await asyncio.gather(*(_shown(hub, place) for place in hub.places.all()))}


@router.post("", status_code=201)
async def add_resource(request: Request, body: ResourceBody) -> dict[str, Any]:
    """A backend under a new name, asked first unless ``check`` is false; what it runs for a lost store is taken up."""
    hub = hub_of(request)
    place, adopted = await hub.add_resource(
        body.name, body.backend, body.options, credentials=body.credentials, check=body.check
    )
    return {**await _shown(hub, place), "adopted": adopted}


@router.get("/{name}")
async def describe_resource(request: Request, name: str) -> dict[str, Any]:
    """One resource group: what it has and what is free."""
    hub = hub_of(request)
    return await _shown(hub, hub.places.get(name))


@router.post("/{name}/use")
async def use_resource(request: Request, name: str) -> dict[str, Any]:
    """Make a group the default one, which an empty ``metadata.resource`` means."""
    hub = hub_of(request)
    return await _shown(hub, hub.places.use(name))


@router.delete("/{name}", status_code=200)
async def remove_resource(request: Request, name: str) -> dict[str, Any]:
    """Forget a resource group that no service uses."""
    await hub_of(request).remove_resource(name)
    return {"name": name, "removed": True}


async def _shown(hub: Hub, place: Place) -> dict[str, Any]:
    room: Capacity | None = None
    reason = ""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            room = await place.backend.capacity()
    except ResourceUnavailable as exc:
        reason = exc.message
    except TimeoutError:
        reason = f"it did not say within {ANSWER_SECONDS:g} s what it has"
    return view.resource(place, room, default=hub.places.default, reason=reason)
