"""The management API as one application: routes, errors, token."""

from __future__ import annotations

import json
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import mlserve
from mlserve.errors import InvalidInput, MlserveError, NotFound, to_problem
from mlserve.hub.api import (
    arms,
    builds,
    content,
    events,
    groups,
    hub,
    login,
    mirrors,
    models,
    releases,
    resources,
    services,
    tokens,
    uploads,
)
from mlserve.hub.api.answers import Problem
from mlserve.hub.audit import Audit
from mlserve.hub.guard import Guard

_UNTITLED = {404: NotFound}


def application(token: str) -> FastAPI:
    """The application; what it serves is put into ``app.state`` by whoever runs it."""
    app = FastAPI(title="mlserve hub", version=mlserve.__version__, docs_url=None, redoc_url=None)
    refused: dict[int | str, dict[str, Any]] = {
        "default": {"model": Problem, "description": "application/problem+json"}
    }
    of_services = (services, releases, groups, arms, mirrors, models)
    for routes in (hub, *of_services, content, uploads, builds, resources, login, tokens, events):
        app.include_router(routes.router, responses=refused)
    app.add_exception_handler(MlserveError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(OSError, _of_this_machine)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_middleware(Guard, token=token, refusal=problem)
    app.add_middleware(Audit)
    return app


def problem(error: MlserveError) -> Response:
    """An error as application/problem+json."""
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
    return Response(json.dumps(to_problem(error)), error.status, headers, "application/problem+json")


async def _ours(_: Request, error: Exception) -> Response:
    return problem(cast(MlserveError, error))


async def _invalid(_: Request, error: Exception) -> Response:
    invalid = cast(RequestValidationError, error)
    details: list[dict[str, Any]] = [
        {"pointer": "/" + "/".join(map(str, item["loc"][1:])), "code": "invalid", "message": item["msg"]}
        for item in invalid.errors()
    ]
    first = details[0]
    return problem(
        InvalidInput(
            f"the request's {first['pointer']} is wrong: {first['message']}",
            hint="see the OpenAPI document",
            details=details,
        )
    )


async def _unrouted(request: Request, error: Exception) -> Response:
    unrouted = cast(HTTPException, error)
    ours = _UNTITLED.get(unrouted.status_code, InvalidInput)(
        f"{request.method} {request.url.path}: {unrouted.detail}", hint="GET /openapi.json lists what there is"
    )
    answer = problem(ours)
    answer.status_code = unrouted.status_code
    return answer


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it: who asked has left in the middle of a body


async def _of_this_machine(_: Request, error: Exception) -> Response:
    failed = cast(OSError, error)
    place = f"{failed.filename}: " if failed.filename else ""
    hint = "free some disk, or give the hub's user the right to read and write there"
    return problem(MlserveError(f"{place}{failed.strerror or failed}", hint=hint))


async def _unforeseen(request: Request, error: Exception) -> Response:
    told = f"{request.method} {request.url.path} ended with {type(error).__name__}: {error}"
    return problem(MlserveError(told, hint="mlserve hub logs has the traceback; please report it"))
