"""Routes of resource groups."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from mlserve.errors import Conflict
from mlserve.hub import view
from mlserve.hub.api.bodies import ResourceBody
from mlserve.hub.api.services import hub_of
from mlserve.hub.places import DEFAULT, Place

router = APIRouter(prefix="/v1/resources", tags=["resources"])


@router.get("")
async def list_resources(request: Request) -> dict[str, Any]:
    """All resource groups."""
    return {"resources": [await _shown(place) for place in hub_of(request).places.all()]}


@router.post("", status_code=201)
async def add_resource(request: Request, body: ResourceBody) -> dict[str, Any]:
    """A backend under a new name."""
    return await _shown(hub_of(request).places.add(body.name, body.backend, body.options))


@router.get("/{name}")
async def describe_resource(request: Request, name: str) -> dict[str, Any]:
    """One resource group: what it has and what is free."""
    return await _shown(hub_of(request).places.get(name))


@router.delete("/{name}", status_code=200)
async def remove_resource(request: Request, name: str) -> dict[str, Any]:
    """Forget a resource group that no service uses."""
    hub = hub_of(request)
    users = [service.name for service in hub.wishes.services() if service.resource == name]
    if users:
        raise Conflict(f'the resource group "{name}" is used by {", ".join(users)}', hint="delete these services first")
    hub.places.remove(name)
    return {"name": name, "removed": True}


async def _shown(place: Place) -> dict[str, Any]:
    capacity = await place.backend.capacity()
    return {
        "name": place.name,
        "backend": place.kind,
        "default": place.name == DEFAULT,
        "capacity": view.capacity(capacity),
        "status": "ready",
    }
