"""Bring what instances are told to those that can't read this hub's files: at other places, in containers."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence

from mlserve.backends.base import Instance, State, TellingBackend
from mlserve.errors import MlserveError
from mlserve.hub.admission import Admission
from mlserve.hub.calling.call_tokens import CallTokens
from mlserve.hub.direct import CHECKS
from mlserve.hub.places import Places
from mlserve.hub.seen import Seen
from mlserve.workload import ACCESS, CALLS

log = logging.getLogger("mlserve.hub")

_AWAKE = frozenset((State.STARTING, State.READY, State.DRAINING))
_PATIENCE = 10.0


class Telling:
    """One place after the other is slow, and may be away: what could not be told now is told with the next look."""

    def __init__(self, places: Places, admission: Admission, call_tokens: CallTokens) -> None:
        self._places, self._admission, self._call_tokens = places, admission, call_tokens
        self._at_work: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._complaints: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self, sights: Sequence[Seen]) -> None:
        """Tell them meanwhile; nobody waits for it."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.tell(sights), name="tell who may ask")

    def cancel(self) -> None:
        """The hub ends."""
        if self._task:
            self._task.cancel()

    async def tell(self, sights: Iterable[Seen]) -> None:
        """Return when all know it that can be reached within seconds."""
        wanted: dict[str, list[Instance]] = {}
        for seen in sights:
            wanted.setdefault(seen.service.resource, []).extend(one for one in seen.instances if one.state in _AWAKE)
        await asyncio.gather(*(self._at(place, instances) for place, instances in wanted.items()))

    async def _at(self, name: str, instances: Sequence[Instance]) -> None:
        place = self._places.find(name)
        if place is None or not isinstance(place.backend, TellingBackend):
            return
        complaint = ""
        try:
            async with asyncio.timeout(_PATIENCE), self._at_work[name]:
                texts = [(one, self._texts(one)) for one in instances]
                await place.backend.tell([(one, text) for one, text in texts if text])
        except (MlserveError, TimeoutError) as exc:
            complaint = str(exc) or "it takes too long"
        if complaint and complaint != self._complaints.get(name):
            log.warning("event=telling-waits place=%s reason=%r", name, complaint)
        self._complaints[name] = complaint

    def _texts(self, one: Instance) -> dict[str, str]:
        """By the name of its file, what an instance is told; nothing of what it does not look at."""
        access = self._admission.text(one.service) if one.facts.get(CHECKS) else ""
        texts = {ACCESS: access, CALLS: self._call_tokens.text(one.service, one.version)}
        return {name: text for name, text in texts.items() if text}
