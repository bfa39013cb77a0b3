"""The gateway: one Envoy, started or adopted, kept alive, told what to serve."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from pathlib import Path

from mlserve.errors import GatewayFailed
from mlserve.gateway.admin import make_private
from mlserve.gateway.arms import LOG
from mlserve.gateway.port import any_port, choose_port
from mlserve.gateway.publish import Publisher, write_private
from mlserve.gateway.server import Server
from mlserve.gateway.stats import Requests, Stats, connections
from mlserve.gateway.table import Access, Table
from mlserve.gateway.tls import Certificate

_LIVED = 10.0
"""Seconds after which a death is taken for an accident, and not for one more failed start."""
_LONGEST_BACK_OFF = 30.0
_FIRST_STARTS = 20
"""Ports to try when another home takes the one just chosen."""

_log = logging.getLogger(__name__)


class Gateway:
    """Envoy runs on when this object and its process go; the next Gateway of the same directory adopts it.

    ``start``, then ``publish`` as often as wished while a task runs ``watch``; ``stop`` only to end the serving too.
    ``listen`` is ``HOST:PORT`` (port 0: any free one); None: that of the last start, else the first free from 8080 on.
    """

    def __init__(
        self,
        directory: Path,
        listen: str | None = None,
        binary: Path | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.address = listen or ""
        """``host:port`` where requests are answered; known once started."""
        self.certificate = certificate
        """What it shows to whoever connects; None: it speaks HTTP without TLS."""
        self.problem: GatewayFailed | None = None
        """Why Envoy can't be kept running, while that is so."""
        self._directory = directory.absolute()
        self._server = Server(self._directory, binary)
        self._publisher = Publisher(self._directory, self._server.admin, self._server.log)
        self._stats = Stats(self._server.admin)
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Of the Envoy process, while there is one."""
        return self._server.process.pid if self._server.process else None

    async def start(self) -> None:
        """Adopt the Envoy that runs for this directory, else start one. Raises GatewayFailed: port taken, …"""
        kept = self._directory / "listen"
        first = not self.address and not kept.exists()
        make_private(self._directory)
        if self.certificate:
            self._publisher.certificate(self.certificate)
        for attempt in range(_FIRST_STARTS):
            address = any_port(self.address) if self.address else choose_port(self._directory)
            try:
                await self._server.start(address, self._publisher.reset, tls=self.certificate is not None)
                break
            except GatewayFailed:
                if not first or attempt == _FIRST_STARTS - 1 or choose_port(self._directory) == address:
                    raise
        self.address, self._stopping = address, False
        write_private(kept, f"{address}\n")

    async def publish(self, table: Table) -> None:
        """Return once Envoy serves exactly this table; nothing is written where nothing changed.

        Raises GatewayFailed, with Envoy's own reason and the last good table restored, when Envoy refuses it.
        """
        await self._publisher.publish(table)

    async def certify(self, certificate: Certificate) -> None:
        """Show another certificate from now on; connections that are open stay. Raises GatewayFailed."""
        try:
            await self._publisher.certify(certificate)
        except GatewayFailed:
            if self.certificate:  # the next Envoy must not start with one that this one refused
                self._publisher.certificate(self.certificate)
            raise
        self.certificate = certificate

    async def admit(self, access: Access) -> None:
        """Return once exactly these of the hub's tokens open services; raises GatewayFailed as `publish` does."""
        await self._publisher.admit(access)

    async def active(self, service: str, version: int) -> dict[str, int]:
        """Requests in flight by address, for the instances of a version that the table has."""
        return await self._stats.active(service, version)

    async def in_flight(self, addresses: Collection[str]) -> dict[str, int]:
        """Requests in flight at addresses that left the table: 0 means that the instance may be stopped.

        (For an address that the table still has, idle connections count too; ask `active` there.)
        """
        return await connections(self.pid, addresses) if self.pid else dict.fromkeys(addresses, 0)

    async def unhealthy(self) -> set[str]:
        """Addresses in the table that get no requests, because they fail their health check or were ejected."""
        return await self._stats.unhealthy()

    async def requests(self, service: str | None = None) -> dict[tuple[str, int], Requests]:
        """Counters by ``(service, version)`` since Envoy started."""
        return await self._stats.requests(service)

    async def degraded(self, service: str) -> int:
        """How many of its answers came from its fallback since Envoy started."""
        return await self._stats.degraded(service)

    async def mirrored(self, service: str) -> Requests:
        """What its mirror was sent since Envoy started."""
        return await self._stats.mirrored(service)

    async def times(self, service: str) -> dict[int, tuple[int, ...]]:
        """By version, how many requests took no longer than each of `times.BOUNDS`, since Envoy started."""
        return await self._stats.times(service)

    @property
    def noted(self) -> Path:
        """The file of requests whose arms are compared (`arms`)."""
        return self._directory / LOG

    async def reopen_logs(self) -> None:
        """Have it write to new files where its logs were renamed; raises GatewayFailed."""
        await self._server.admin.post("/reopen_logs")

    async def watch(self) -> None:
        """Run until cancelled or stopped: start Envoy again when it dies or freezes, slower if it keeps dying."""
        failures = 0
        while not self._stopping:
            since = time.monotonic()
            how = await self._server.ended()
            if self._stopping:
                return
            failures = 0 if time.monotonic() - since > _LIVED else failures + 1
            _log.warning("gateway=envoy state=ended pid=%s reason=%r attempt=%d", self.pid, how, failures)
            await asyncio.sleep(back_off(failures))
            await self._start_again()

    async def stop(self, drain_seconds: float = 10.0) -> None:
        """End the serving: no new connections, requests in flight get ``drain_seconds`` to finish, then Envoy exits."""
        self._stopping = True
        await self._server.quit(drain_seconds)

    async def _start_again(self) -> None:
        try:
            await self._server.start_again()
            await self._publisher.repair()
        except GatewayFailed as exc:
            self.problem = exc
            _log.error("gateway=envoy state=failed reason=%r", exc.message)
        else:
            self.problem = None
            _log.warning("gateway=envoy state=running pid=%s", self.pid)


def back_off(failures: int) -> float:
    """Seconds to wait before the next start, after so many deaths in a row: none after the first, then 0.5, 1, 2, …"""
    return 0.0 if failures <= 1 else min(0.5 * 2.0 ** (failures - 2), _LONGEST_BACK_OFF)
