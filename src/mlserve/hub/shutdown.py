"""Stop all that a hub runs: Envoy, the instances at each place; what these wrote last is still copied."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from fastapi import FastAPI

from mlserve.errors import MlserveError
from mlserve.gateway.envoy import Gateway
from mlserve.hub.hub import Hub
from mlserve.hub.places import Place

log = logging.getLogger("mlserve.hub")

_FLUSH_SECONDS = 60.0
"""For what instances wrote last to come to their buckets; what takes longer is left to the next hub."""
_POLL_SECONDS = 0.05


async def stop_everything(app: FastAPI, gateway: Gateway) -> None:
    """End every instance and Envoy. The services stay, stopped: the next hub starts none of them by itself."""
    await gateway.stop()
    hub: Hub = app.state.hub
    for service in hub.wishes.services():
        hub.wishes.put(replace(service, stopped=True, generation=service.generation + 1))
    await asyncio.gather(*(_empty(hub, place) for place in hub.places.all()))
    await app.state.reconciler.written.flush(_FLUSH_SECONDS)
    await hub.places.close(for_good=True)


async def _empty(hub: Hub, place: Place) -> None:
    """End what runs at one place; where that can't be reached, the next hub stops it, once it can."""
    backend = place.backend
    mine = [service for service in hub.wishes.services() if service.resource == place.name]
    try:
        for service in mine if not backend.trouble else ():
            for version in hub.wishes.versions(service.name):
                await backend.remove(service.name, version.number)
            hub.wishes.put(replace(service, settled=service.generation))
        # Each has its own time to drain and is killed after it, so this ends. No event says "all gone".
        names = {service.name for service in mine}
        while not backend.trouble and names & {one.service for one in await backend.instances()}:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
    except MlserveError as exc:
        log.warning("event=not-stopped resource=%s reason=%r", place.name, exc.message)
