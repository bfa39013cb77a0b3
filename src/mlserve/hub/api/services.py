"""Routes of services: one line each, the work is the hub's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from mlserve.hub import fallback, mirror
from mlserve.hub.api.answers import (
    FailuresAnswer,
    InstancesAnswer,
    PlanAnswer,
    ServiceAnswer,
    ServicesAnswer,
    VersionsAnswer,
)
from mlserve.hub.api.bodies import CreateBody, PlanBody, ScaleBody, UpdateBody
from mlserve.hub.findings import with_findings
from mlserve.hub.guard import Caller
from mlserve.hub.hub import Hub
from mlserve.hub.revising import named
from mlserve.hub.services import Services

router = APIRouter(prefix="/v1/services", tags=["services"])


def hub_of(request: Request) -> Hub:
    """The hub that this application serves."""
    hub: Hub = request.app.state.hub
    return hub


def services_of(request: Request) -> Services:
    """Its services, to look at."""
    services: Services = request.app.state.services
    return services


def caller_of(request: Request) -> Caller:
    """Who asks; the guard has let them in."""
    caller: Caller = request.state.caller
    return caller


def _secret(request: Request, name: str) -> str:
    secret: str = request.app.state.admission.secret(name)
    return secret


@router.get("", responses={200: {"model": ServicesAnswer}})
async def list_services(request: Request) -> dict[str, Any]:
    """All services of the caller's."""
    return {"services": [shown for shown in services_of(request).list() if caller_of(request).manages(shown["name"])]}


@router.post("", status_code=201, responses={201: {"model": ServiceAnswer}})
async def create_service(request: Request, body: CreateBody) -> dict[str, Any]:
    """Accept a descriptor as a new service; its instances start after this has answered."""
    caller_of(request).require(named(body.descriptor))
    allowed = caller_of(request).require
    return await hub_of(request).create(body.submission(), trial=body.trial, allowed=allowed)


@router.post("/plan", responses={200: {"model": PlanAnswer}})
async def plan_service(request: Request, body: PlanBody) -> dict[str, Any]:
    """What a descriptor would change of the service it names, or that it would be a new one; nothing is done."""
    caller_of(request).require(named(body.descriptor))
    return await hub_of(request).plan(body.submission(), strategy=body.strategy, allowed=caller_of(request).require)


@router.get("/{name}", responses={200: {"model": ServiceAnswer}})
async def describe_service(request: Request, name: str) -> dict[str, Any]:
    """One service."""
    gateway = request.app.state.gateway
    found = await with_findings(services_of(request).describe(name), _secret(request, name))
    return await mirror.with_counts(gateway, await fallback.with_counts(gateway, found))


@router.delete("/{name}", status_code=202, responses={202: {"model": ServiceAnswer}})
async def delete_service(request: Request, name: str) -> dict[str, Any]:
    """End and forget a service; it is gone when GET answers 404."""
    return hub_of(request).delete(name)


@router.post("/{name}/update", responses={200: {"model": ServiceAnswer}})
async def update_service(request: Request, name: str, body: UpdateBody) -> dict[str, Any]:
    """A new version, which takes over by the strategy of its release."""
    allowed = caller_of(request).require
    return await hub_of(request).update(name, body.submission(), body.set, strategy=body.strategy, allowed=allowed)


@router.post("/{name}/scale", responses={200: {"model": ServiceAnswer}})
async def scale_service(request: Request, name: str, body: ScaleBody) -> dict[str, Any]:
    """Another number of instances."""
    return await hub_of(request).scale(name, body.instances)


@router.post("/{name}/start", responses={200: {"model": ServiceAnswer}})
async def start_service(request: Request, name: str) -> dict[str, Any]:
    """Run a stopped or failed service again."""
    return await hub_of(request).start(name)


@router.post("/{name}/stop", responses={200: {"model": ServiceAnswer}})
async def stop_service(request: Request, name: str) -> dict[str, Any]:
    """End all instances and keep the service."""
    return hub_of(request).stop(name)


@router.post("/{name}/restart", responses={200: {"model": ServiceAnswer}})
async def restart_service(request: Request, name: str) -> dict[str, Any]:
    """Replace the instances one at a time."""
    return await hub_of(request).restart(name)


@router.get("/{name}/instances", responses={200: {"model": InstancesAnswer}})
async def list_instances(request: Request, name: str) -> dict[str, Any]:
    """The instances of a service."""
    return {
        "instances": (await with_findings(services_of(request).describe(name), _secret(request, name)))["instances"]
    }


@router.get("/{name}/versions", responses={200: {"model": VersionsAnswer}})
async def list_versions(request: Request, name: str) -> dict[str, Any]:
    """The versions of a service, newest first."""
    return {"versions": services_of(request).versions(name)}


@router.get("/{name}/failure", responses={200: {"model": FailuresAnswer}})
async def list_failures(request: Request, name: str) -> dict[str, Any]:
    """Why it failed, newest first; empty where nothing did."""
    return {"failures": services_of(request).failures(name)}


@router.get("/{name}/logs", response_class=StreamingResponse)
async def read_logs(
    request: Request,
    name: str,
    follow: bool = False,
    tail: int | None = Query(None, ge=0, le=1_000_000),
    since: float | None = None,
    instance: str | None = None,
    previous: bool = False,
) -> StreamingResponse:
    """Log lines in time order, one JSON object ``{"at", "instance", "text"}`` a line."""
    lines = await services_of(request).logs(
        name, follow=follow, tail=tail, since=since, instance=instance, previous=previous
    )

    async def stream() -> AsyncIterator[str]:
        count = 0
        async for line in lines:
            yield json.dumps({"at": line.at, "instance": line.instance, "text": line.text}) + "\n"
            count += 1
            if count % 200 == 0:
                await asyncio.sleep(0)  # a long log holds nobody else up

    return StreamingResponse(stream(), media_type="application/x-ndjson")
