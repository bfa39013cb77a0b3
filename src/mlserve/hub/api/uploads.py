"""Routes of files that descriptors are to name: kept in the content store for a while, or written to a bucket."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from mlserve import storage
from mlserve.backends.aside import aside
from mlserve.hub.api.answers import KeptAnswer, UploadAnswer
from mlserve.hub.api.bodies import ContentAddress, UploadBody
from mlserve.hub.api.services import hub_of
from mlserve.hub.moments import moment

router = APIRouter(prefix="/v1/uploads", tags=["content"])

KEPT_SECONDS = 7 * 24 * 3600.0


@router.post("/kept", responses={200: {"model": KeptAnswer}})
async def keep(request: Request, body: ContentAddress) -> dict[str, Any]:
    """Keep what is in the content store for a week, and as long as a service uses it."""
    until = await aside(partial(hub_of(request).content.pin, body.digest, KEPT_SECONDS))
    return {"address": storage.address_of(body.digest, body.name), "kept_until": moment(until)}


@router.post("", status_code=202, responses={202: {"model": UploadAnswer}})
async def begin(request: Request, body: UploadBody) -> dict[str, Any]:
    """Write what is in the content store to an ``s3://`` or ``oss://`` address."""
    place = hub_of(request).places.pick(body.resource)
    options = storage.FetchOptions(endpoint=body.endpoint or None, credentials=place.credentials)
    uploads = request.app.state.uploads
    return dict((await uploads.start(body.digest, body.name, body.address, options)).shown())


@router.get("/{upload}", responses={200: {"model": UploadAnswer}})
async def how_far(request: Request, upload: str) -> dict[str, Any]:
    """How far one is."""
    return dict(request.app.state.uploads.get(upload).shown())
