"""Have the gateway serve what was seen, and know what it serves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from mlserve.gateway.envoy import Gateway
from mlserve.hub import routing
from mlserve.hub.admission import Admission
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling.call_tokens import CallTokens
from mlserve.hub.comparing.pairs import with_copies
from mlserve.hub.seen import Seen
from mlserve.hub.settings import Settings
from mlserve.hub.wishes import Wishes


class Publishing:
    """What it says is published was acknowledged by the gateway. ``secret`` opens each version to the hub's probes."""

    def __init__(
        self,
        settings: Settings,
        wishes: Wishes,
        blueprints: Blueprints,
        gateway: Gateway,
        admission: Admission,
        call_tokens: CallTokens,
        secret: str,
    ) -> None:
        self._settings, self._wishes, self._blueprints, self._gateway = settings, wishes, blueprints, gateway
        self._admission, self._call_tokens, self._secret = admission, call_tokens, secret
        self.addresses: frozenset[str] = frozenset()
        """Those that requests are sent to."""
        self.versions: Mapping[str, int] = {}
        """Service → the version that its requests are sent to."""

    async def publish(self, sights: Sequence[Seen]) -> None:
        """Return once the gateway serves it; raises GatewayFailed, after which it serves what it did before."""
        groups, limits = self._wishes.groups(), self._blueprints.limits
        await self._call_tokens.follow(sights, time.time())
        feedback = self._admission.feedback
        table = routing.table(sights, limits, self._secret, self._settings.address, groups, feedback)
        table = with_copies(table, sights, limits, self._settings.recorder)
        await self._gateway.publish(table)
        self.addresses = routing.published(table)
        self.versions = routing.routed(table)
