"""Routes of the models inside a service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from mlserve.hub import models
from mlserve.hub.api.answers import ModelsAnswer
from mlserve.hub.api.services import services_of

router = APIRouter(prefix="/v1/services/{name}/models", tags=["services"])


@router.get("", responses={200: {"model": ModelsAnswer}})
async def list_models(request: Request, name: str) -> dict[str, Any]:
    """The models that its instances hold, and their state in each."""
    return {"models": await models.models(services_of(request).describe(name))}


@router.post("/{model}/load", responses={200: {"model": ModelsAnswer}})
async def load_model(request: Request, name: str, model: str) -> dict[str, Any]:
    """Load a model, or its newest files, in every ready instance."""
    return {"models": await models.change(services_of(request).describe(name), model, "load")}


@router.post("/{model}/unload", responses={200: {"model": ModelsAnswer}})
async def unload_model(request: Request, name: str, model: str) -> dict[str, Any]:
    """Unload a model in every ready instance."""
    return {"models": await models.change(services_of(request).describe(name), model, "unload")}
