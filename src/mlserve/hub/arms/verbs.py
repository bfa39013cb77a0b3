"""What people ask of arms that are compared (A/B), and what callers tell of their answers."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from mlserve.errors import Denied, MlserveError
from mlserve.hub.arms.experiment import Experiment, Found, control_of, report
from mlserve.hub.arms.feedback import DEFAULT, read
from mlserve.hub.arms.ledger import Ledger
from mlserve.hub.arms.notes import Notes

log = logging.getLogger("mlserve.hub")

_LOOK_SECONDS = 0.5
_PRUNE_LOOKS = 120
_PATIENCE = 2.0
"""Seconds that feedback waits for what was noted before it; after a long absence of the hub that may be a lot."""
_SETTLING = 2.0
"""Seconds that the gateway may take to share requests as somebody said."""


class Arms:
    """The experiments of one hub. ``experiment``: that of an address; ``secret``: what feedback of it has to bring."""

    def __init__(
        self, ledger: Ledger, notes: Notes, experiment: Callable[[str], Experiment], secret: Callable[[str], str]
    ) -> None:
        self._ledger, self._notes, self._experiment, self._secret = ledger, notes, experiment, secret
        self._reading: set[asyncio.Task[None]] = set()
        self._complaint = ""
        """What was last said of notes that can't be read: the same is not said again and again."""

    def require(self, name: str, secret: str) -> None:
        """Raises Denied for what did not come by the gateway, which has looked at the token and the size."""
        if not hmac.compare_digest(secret.encode(), self._secret(name).encode()):
            raise Denied(
                "feedback is taken through the gateway only", hint=f"POST it to /api/predict/{name}/feedback there"
            )

    async def feedback(self, name: str, body: bytes) -> dict[str, Any]:
        """Keep what a caller tells; raises InvalidInput, NotFound, Conflict."""
        self._experiment(name)
        told = read(body)
        await self._caught_up(_PATIENCE)
        waiting = await asyncio.to_thread(self._ledger.tell, name, told, time.time())
        return {"taken": len(told), "waiting": waiting}

    async def report(
        self, name: str, *, metric: str = DEFAULT, since: float | None = None, control: str = ""
    ) -> dict[str, Any]:
        """How the arms of an address do; ``since``: seconds back from now. Raises NotFound, InvalidInput."""
        experiment = self._experiment(name)
        against = control_of(experiment, control)
        await self._caught_up()
        begun = max(experiment.since, time.time() - since if since is not None else 0.0)
        return report(experiment, await asyncio.to_thread(self._found, experiment, metric, begun), metric, against)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Meanwhile the gateway's notes are read as they come."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._ledger.close()

    def _found(self, experiment: Experiment, metric: str, since: float) -> Found:
        name, balanced = experiment.name, max(since, (experiment.shared_at or 0.0) + _SETTLING)
        return Found(
            durations=self._ledger.durations(name, since),
            callers=self._ledger.callers(name, since),
            moments=self._ledger.moments(name, metric, since),
            metrics=self._ledger.metrics(name, since),
            balance=self._ledger.callers(name, balanced),
        )

    async def _follow(self) -> None:
        looks = 0
        while True:
            await self._caught_up()
            if looks % _PRUNE_LOOKS == 0:
                await self._tried(asyncio.to_thread(self._ledger.prune, time.time()))
            looks += 1
            await asyncio.sleep(_LOOK_SECONDS)

    async def _caught_up(self, patience: float | None = None) -> None:
        """Never cut short: of two that read the same lines each would count them."""
        task = asyncio.create_task(self._tried(self._notes.follow()))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        await asyncio.wait({task}, timeout=patience)

    async def _tried(self, work: Awaitable[None]) -> None:
        """What can't be read now is read later: the notes stay until then."""
        try:
            await work
        except (MlserveError, OSError) as exc:
            if str(exc) != self._complaint:
                log.warning("event=notes-not-read reason=%r", str(exc))
            self._complaint = str(exc)
        else:
            self._complaint = ""
