"""Ask a version through the gateway until it answers, or has been silent for too long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from functools import partial

from mlserve.backends.aside import aside
from mlserve.gateway.envoy import Gateway
from mlserve.hub import failures, proof
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.jobs import Key
from mlserve.hub.plan import Seen
from mlserve.hub.settings import Settings

log = logging.getLogger("mlserve.hub")


class Prover:
    """Remembers since when each version has been silent."""

    def __init__(
        self, settings: Settings, gateway: Gateway, blueprints: Blueprints, secret: str, change: Callable[..., None]
    ) -> None:
        self._settings, self._gateway, self._blueprints = settings, gateway, blueprints
        self._secret, self._change = secret, change
        self._silent_since: dict[Key, float] = {}

    async def prove(self, seen: Seen, number: int, published: Collection[str]) -> None:
        """One round of questions; ``published``: the addresses that the gateway sends requests to."""
        version, name = seen.versions[number], seen.service.name
        if not any(i.address in published for i in seen.current(number)):
            return
        asked = self._blueprints.questions(version)
        shown = self._gateway.certificate.chain if self._gateway.certificate else ""
        ask = partial(proof.ask, self._gateway.address, name, number, self._secret, asked, chain=shown)
        silence = await aside(ask)
        if silence is None:
            self._silent_since.pop((name, number), None)
            self._change(version, served=True, fixed_port=self._has_fixed_port(seen, number))
            log.info("event=proven service=%s version=%s", name, number)
            return
        since = self._silent_since.setdefault((name, number), time.time())
        if time.time() - since > self._settings.proof_seconds:
            del self._silent_since[name, number]
            self._change(version, failure=failures.of_silence(name, number, silence, at=time.time()))
        await asyncio.sleep(self._settings.busy_interval)

    def forget(self, service: str) -> None:
        """A service is gone."""
        self._silent_since = {key: since for key, since in self._silent_since.items() if key[0] != service}

    def _has_fixed_port(self, seen: Seen, number: int) -> bool:
        port = self._blueprints.workload(seen.versions[number]).port
        return port is not None and any(i.address.endswith(f":{port}") for i in seen.current(number))
