"""Routes of resource groups."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from mlserve.backends.base import Capacity
from mlserve.errors import ResourceUnavailable
from mlserve.hub import view
from mlserve.hub.api.bodies import ResourceBody
from mlserve.hub.places import Place, Places
from mlserve.hub.resource_groups import ResourceGroups

router = APIRouter(prefix="/v1/resources", tags=["resources"])

ANSWER_SECONDS = 10.0
"""How long a group may take to say what it has; engines that start a container to look at their GPUs need some."""


@router.get("")
async def list_resources(request: Request) -> dict[str, Any]:
    """All resource groups."""
    places = _groups(request).places
    return {"resources": await asyncio.gather(*(_shown(places, place) for place in places.all()))}


@router.post("", status_code=201)
async def add_resource(request: Request, body: ResourceBody) -> dict[str, Any]:
    """A backend under a new name, asked first unless ``check`` is false; what it runs for a lost store is taken up."""
    groups = _groups(request)
    place, adopted = await groups.add(
        body.name, body.backend, body.options, credentials=body.credentials, check=body.check
    )
    return {**await _shown(groups.places, place), "adopted": adopted}


@router.get("/{name}")
async def describe_resource(request: Request, name: str) -> dict[str, Any]:
    """One resource group: what it has and what is free."""
    places = _groups(request).places
    return await _shown(places, places.get(name))


@router.post("/{name}/use")
async def use_resource(request: Request, name: str) -> dict[str, Any]:
    """Make a group the default one, which an empty ``metadata.resource`` means."""
    places = _groups(request).places
    return await _shown(places, places.use(name))


@router.delete("/{name}", status_code=200)
async def remove_resource(request: Request, name: str) -> dict[str, Any]:
    """Forget a resource group that no service uses."""
    await _groups(request).remove(name)
    return {"name": name, "removed": True}


def _groups(request: Request) -> ResourceGroups:
    groups: ResourceGroups = request.app.state.resource_groups
    return groups


async def _shown(places: Places, place: Place) -> dict[str, Any]:
    room: Capacity | None = None
    reason = ""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            room = await place.backend.capacity()
    except ResourceUnavailable as exc:
        reason = exc.message
    except TimeoutError:
        reason = f"it did not say within {ANSWER_SECONDS:g} s what it has"
    return view.resource(place, room, default=places.default, reason=reason)
