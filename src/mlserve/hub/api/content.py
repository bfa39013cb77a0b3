"""Routes of the content store: how local files reach the hub."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from mlserve.backends.aside import aside
from mlserve.errors import InvalidInput
from mlserve.hub.api.bodies import LocalPathBody, MissingBody, TreeBody
from mlserve.hub.api.services import hub_of

router = APIRouter(prefix="/v1/content", tags=["content"])

CHUNK = 64 * 1024 * 1024
"""The most bytes of one upload request."""


@router.post("/local")
async def add_local(request: Request, body: LocalPathBody) -> dict[str, Any]:
    """Take in a path of the hub's own machine."""
    path = Path(body.path)
    if not path.is_absolute():
        raise InvalidInput(f"{body.path} is not an absolute path", hint="send the whole path")
    return asdict(await aside(partial(hub_of(request).content.add, path)))


@router.post("/missing")
async def missing_blobs(request: Request, body: MissingBody) -> dict[str, Any]:
    """Which of these files are not here yet, and how many bytes of each are."""
    return {"missing": await aside(partial(hub_of(request).content.missing, body.sha256))}


@router.put("/blobs/{sha256}")
async def write_blob(request: Request, sha256: str, offset: int, size: int) -> dict[str, Any]:
    """One piece of a file, from ``offset`` on; checked against its hash when it is whole."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > CHUNK:
            raise InvalidInput(f"one piece may have {CHUNK} bytes at most", hint="send the file in smaller pieces")
    received = await aside(partial(hub_of(request).content.write_blob, sha256, offset, size, bytes(data)))
    return {"received": received}


@router.post("/trees")
async def add_tree(request: Request, body: TreeBody) -> dict[str, Any]:
    """Put files that are here together under one content address."""
    return asdict(await aside(partial(hub_of(request).content.add_tree, body.manifest, body.name)))
