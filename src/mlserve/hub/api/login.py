"""Routes of links for browsers: made by whoever manages the service, opened through the gateway."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from mlserve.errors import Denied
from mlserve.gateway.cookie import LOGIN_PATH
from mlserve.hub.api.answers import LinkAnswer
from mlserve.hub.api.services import caller_of
from mlserve.hub.links import Links
from mlserve.hub.moments import moment

router = APIRouter(tags=["links"])
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def _links(request: Request) -> Links:
    links: Links = request.app.state.links
    return links


@router.post("/v1/services/{name}/link", responses={200: {"model": LinkAnswer}})
async def make_link(request: Request, name: str) -> dict[str, Any]:
    """A link that opens the service in a browser, once, within minutes; for good where the service is public."""
    return _made(request, name)


@router.post("/v1/groups/{name}/link", responses={200: {"model": LinkAnswer}})
async def make_group_link(request: Request, name: str) -> dict[str, Any]:
    """The same for a service group's address."""
    caller_of(request).require(name)
    return _made(request, name)


def _made(request: Request, name: str) -> dict[str, Any]:
    link = _links(request).make(name, time.time())
    return {
        "link": f"{request.app.state.gateway_url}{link.path}",
        "expires_at": moment(link.until) if link.until else None,
    }


@router.get(LOGIN_PATH + "{code}", include_in_schema=False)
async def open_link(request: Request, code: str) -> Response:
    """Exchange a code for the cookie, and go on to the clean address."""
    try:
        opened = _links(request).open(code, time.time())
    except Denied as exc:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return HTMLResponse(_page(exc), exc.status, _HEADERS)
    answer = RedirectResponse(opened.path, 303, _HEADERS)
    if opened.cookie:
        secure = "; Secure" if request.headers.get("x-forwarded-proto") == "https" else ""
        answer.headers["set-cookie"] = f"{opened.cookie}{secure}"
    return answer


def _page(error: Denied) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark"><title>link</title><link rel="icon" href="data:,">'
        f"<h1>{error.message}</h1><p>{error.hint}</p></html>"
    )
