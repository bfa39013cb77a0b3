"""Routes of releases: how the newest one goes, what people do to it, and going back."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request

from mlserve.errors import NotFound
from mlserve.hub.api.answers import ServiceAnswer
from mlserve.hub.api.bodies import RollbackBody
from mlserve.hub.api.release_answers import ReleaseStatusAnswer
from mlserve.hub.api.services import caller_of, hub_of, services_of

router = APIRouter(prefix="/v1/services", tags=["releases"])


@router.get("/{name}/release", responses={200: {"model": ReleaseStatusAnswer}})
async def show_release(request: Request, name: str) -> dict[str, Any]:
    """The release that is under way, else the last one; 404 where there was none."""
    service = services_of(request).describe(name)
    if service["release"] is None:
        raise NotFound(f'"{name}" had no release yet', hint=f"mlserve update {name} FILE makes one")
    return {key: service[key] for key in ("name", "status", "version", "release", "kept")}


@router.post("/{name}/release/{verb}", responses={200: {"model": ServiceAnswer}})
async def change_release(
    request: Request, name: str, verb: Literal["promote", "pause", "resume", "abort"]
) -> dict[str, Any]:
    """Let its step pass, stay there, go on, or give all requests back to the old version."""
    return hub_of(request).release(name, verb)


@router.post("/{name}/rollback", responses={200: {"model": ServiceAnswer}})
async def roll_back(request: Request, name: str, body: RollbackBody) -> dict[str, Any]:
    """Make a version serve that did before: at once while its instances are kept, never a build."""
    return await hub_of(request).rollback(name, body.version, allowed=caller_of(request).require)
