"""Bring a table to Envoy: write its files in an order that never dangles, wait for the acknowledgement, roll back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path

from mlserve.errors import Detail, GatewayFailed
from mlserve.gateway.admin import Admin, AdminSilent
from mlserve.gateway.limits import LIMITS
from mlserve.gateway.listener import HTTP_STATS, ROUTES
from mlserve.gateway.log import Log
from mlserve.gateway.rendering import NOBODY, Rendered, Step, render, steps
from mlserve.gateway.table import Access, Table
from mlserve.gateway.tls import SECRET, Certificate, secret_json
from mlserve.gateway.tokens import REVOKED, SERVICES, SIGNED

_FILTERS = "extension_config_discovery.http_filter"
_PREFIXES = {
    "jwt": f"{_FILTERS}.{SIGNED}",
    "revoked": f"{_FILTERS}.{REVOKED}",
    "services": f"{_FILTERS}.{SERVICES}",
    "limits": f"{_FILTERS}.{LIMITS}",
    "cds": "cluster_manager.cds",
    "rds": f"http.{HTTP_STATS}.rds.{ROUTES}",
}
"""The files, by the name under which Envoy tells of each."""
PARTS = tuple(_PREFIXES)
_TOLD = _PREFIXES | {"sds": f"sds.{SECRET}"}
_WATCHED = "^({}|cluster_manager.warming_clusters)$".format(
    "|".join(rf"{prefix}\.(version_text|update_rejected)" for prefix in _TOLD.values())
)
_PATIENCE = 10.0
_WARMING_PATIENCE = 3.0
"""A changed cluster takes over after one health check of each instance; a frozen one must not hold up the others."""


class Publisher:
    """Keeps one Envoy's cds.json and rds.json. What Envoy has taken is read back from Envoy, never only remembered."""

    def __init__(self, directory: Path, admin: Admin, log: Log) -> None:
        self._directory = directory
        self._admin = admin
        self._log = log
        self._now: Rendered | None = None
        self._table: Table | None = None
        self._access = NOBODY
        self._lock = asyncio.Lock()

    async def publish(self, table: Table) -> None:
        """Return once Envoy serves the table; raise GatewayFailed, the last good table restored, if it refuses it."""
        async with self._lock:
            self._table = table
            await self._bring(render(table, self._access))

    async def admit(self, access: Access) -> None:
        """Return once Envoy takes these tokens, and no others. Before the first table they wait for it."""
        async with self._lock:
            self._access = access
            if self._table is not None:
                await self._bring(render(self._table, access))

    async def repair(self) -> None:
        """After Envoy was started again: make sure that it took the files."""
        async with self._lock:
            if self._now is not None and await self._taken() != self._now:
                await self._change(Rendered(), self._now)

    async def certify(self, certificate: Certificate) -> None:
        """Return once Envoy shows this certificate to whoever connects from now on; raises GatewayFailed."""
        async with self._lock:
            await self._apply(Step("sds", secret_json(certificate)))

    def certificate(self, certificate: Certificate) -> None:
        """Write it for an Envoy that is started next; one that runs takes it, too."""
        self._write(Step("sds", secret_json(certificate)))

    def reset(self) -> None:
        """Write an empty table, for an Envoy that is not running yet."""
        self._now = None
        empty = render(Table())
        for step in (Step("cds", ""), *steps(Rendered(), empty)):
            self._write(step)

    async def _bring(self, wished: Rendered) -> None:
        before = self._now if self._now is not None else await self._taken()
        # Tokens by themselves: a table that is refused and rolled back must not bring a revoked one back.
        admitted = replace(before, signed=wished.signed, revoked=wished.revoked, services=wished.services)
        for start, end in ((before, admitted), (admitted, wished)):
            if steps(start, end):
                await self._change(start, end)

    async def _change(self, before: Rendered, wished: Rendered) -> None:
        self._now = None
        try:
            for step in steps(before, wished):
                await asyncio.sleep(step.pause)
                await self._apply(step)
        except GatewayFailed as refused:
            await self._roll_back(before, refused)
            raise
        self._now = wished

    async def _roll_back(self, good: Rendered, refused: GatewayFailed) -> None:
        """Routes first: they may name a cluster that was refused."""
        if isinstance(refused, AdminSilent) or not good.routes:
            return
        try:
            # Whole files, for Envoy may have taken some of a refused file's clusters.
            every = ",".join(good.clusters.values())
            filters = Step("jwt", good.signed), Step("revoked", good.revoked), Step("services", good.services)
            for step in (Step("rds", good.routes), Step("cds", every), *filters, Step("limits", good.limits)):
                await self._apply(step)
        except GatewayFailed as exc:
            refused.add_note(f"the last good table could not be restored either: {exc}")
            return
        self._now = good

    async def _apply(self, step: Step) -> None:
        known = await self._watched()
        rejected = int(known.get(f"{_TOLD[step.kind]}.update_rejected", "0"))
        position = self._log.position()
        version = self._write(step)
        await self._acknowledged(step.kind, version, rejected, position)

    async def _acknowledged(self, kind: str, version: str, rejected: int, position: int) -> None:
        prefix, start, pause = _TOLD[kind], time.monotonic(), 0.001
        while (waited := time.monotonic() - start) < _PATIENCE:
            with contextlib.suppress(AdminSilent):
                known = await self._watched()
                if int(known.get(f"{prefix}.update_rejected", "0")) > rejected:
                    raise self._refused(position)
                warming = int(known.get("cluster_manager.warming_clusters", "0"))
                if known.get(f"{prefix}.version_text") == version and (not warming or waited > _WARMING_PATIENCE):
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)
        raise GatewayFailed(
            f"Envoy did not take {kind}.json within {_PATIENCE:.0f} s",
            hint="the hub tries again; if it stays so, restart it: mlserve hub stop && mlserve hub start",
            details=self._lines(self._log.tail()),
        )

    def _refused(self, position: int) -> GatewayFailed:
        lines = self._log.since(position)
        reason = next(
            (line for line in reversed(lines) if "rejected" in line or line.startswith(": ")), "it gave no reason"
        )
        reason = reason.rpartition("] ")[2].removeprefix(": ")
        return GatewayFailed(
            f"Envoy refused the configuration, the last good one stays: {reason}",
            hint="this is a fault of mlserve or of an address it was given; the other services are not affected",
            details=self._lines(lines),
        )

    @staticmethod
    def _lines(lines: list[str]) -> list[Detail]:
        return [{"code": "log", "message": line} for line in lines]

    async def _watched(self) -> dict[str, str]:
        return await self._admin.texts(_WATCHED)

    async def _taken(self) -> Rendered:
        """What Envoy serves, from the files, if these are what it says it has taken."""
        known = await self._watched()
        read = {kind: _read(self._directory / f"{kind}.json") for kind in _PREFIXES}
        if any(known.get(f"{prefix}.version_text") != read[kind][0] for kind, prefix in _PREFIXES.items()):
            return Rendered()
        clusters = {json.loads(text)["name"]: text for text in read["cds"][1]}
        texts = {kind: ",".join(found) for kind, (_, found) in read.items()}
        return Rendered(clusters, texts["rds"], texts["jwt"], texts["revoked"], texts["services"], texts["limits"])

    def _write(self, step: Step) -> str:
        digest = hashlib.sha256(step.resources.encode()).hexdigest()[:16]
        version = f"{digest}.{time.time_ns():x}"
        text = f'{{"version_info":"{version}","resources":[{step.resources}]}}'
        write_private(self._directory / f"{step.kind}.json", text)
        return version


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner alone. (Envoy notices a rename; a write in place it does not.)"""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        beside.rename(path)
    except OSError as exc:
        raise GatewayFailed(
            f"could not write {path}: {exc.strerror}", hint="free some space, or check the permissions of MLSERVE_HOME"
        ) from exc


def _read(path: Path) -> tuple[str | None, list[str]]:
    """Version and resources of a file, each as the text it was rendered to."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, []
    texts = [json.dumps(resource, separators=(",", ":")) for resource in document["resources"]]
    return str(document["version_info"]), texts
