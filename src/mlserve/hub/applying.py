"""Tell a backend what a decision wants of each version. What drains is let go once nothing is asked of it any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from mlserve.backends.base import State
from mlserve.gateway.envoy import Gateway
from mlserve.hub import adoption
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling.call_tokens import CallTokens
from mlserve.hub.places import Places
from mlserve.hub.plan import Decision, Seen


class Applier:
    """Applies decisions at the places they are for."""

    def __init__(self, places: Places, blueprints: Blueprints, gateway: Gateway, call_tokens: CallTokens) -> None:
        self._places, self._blueprints, self._gateway, self._call_tokens = places, blueprints, gateway, call_tokens

    async def apply(self, seen: Seen, decision: Decision, published: Collection[str]) -> None:
        """One round; ``published``: the addresses that the gateway sends requests to."""
        backend = self._places.get(decision.service.resource).backend
        gone = await self._withdrawn(seen, published)
        for number, count in decision.run.items():
            version = seen.versions.get(number)
            if version is None or version.prepared is None:
                await backend.remove(seen.service.name, number)
                continue
            workload = self._call_tokens.given(self._blueprints.workload(version))
            await backend.apply(
                replace(
                    workload,
                    count=count,
                    record=adoption.told(decision.service, version),
                    revision=str(decision.service.restarts),
                    has_served=version.served,
                    withdrawn=gone,
                    surge=0 if version.fixed_port else workload.surge,
                )
            )

    async def _withdrawn(self, seen: Seen, published: Collection[str]) -> frozenset[str]:
        """Draining instances that the gateway neither sends anything to nor waits for."""
        draining = [i for i in seen.instances if i.state is State.DRAINING and i.address not in published]
        if not draining:
            return frozenset()
        in_flight = await self._gateway.in_flight({at for i in draining for at in (i.address, *i.ports.values())})
        return frozenset(i.id for i in draining if not any(in_flight.get(at) for at in (i.address, *i.ports.values())))
