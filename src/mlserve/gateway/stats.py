"""What Envoy says about its clusters: requests in flight, instances that are not well, counters."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mlserve.gateway import times
from mlserve.gateway.admin import Admin
from mlserve.gateway.table import FALLBACK, MIRROR

_MEMBERS = r"^cluster\.[^.]+\.membership_(healthy|total)$"
_REQUESTS = r"\.(retry\.)?upstream_rq_(active|completed|5xx|503|retry)$"


@dataclass(frozen=True, slots=True)
class Requests:
    """What one version of a service was asked since Envoy started."""

    total: int
    """Requests that it answered; the probes of the hub are among them, health checks are not."""
    failed: int
    """Those of them that it answered with a status of 500 or more, whoever was asked again then."""
    retried: int
    in_flight: int


class Stats:
    """Each method asks Envoy once; nothing is kept."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def active(self, service: str, version: int) -> dict[str, int]:
        """Requests in flight by address, for the instances that the cluster has now."""
        lines = (await self._admin.get("/clusters")).splitlines()
        start = re.compile(rf"{re.escape(service)}/{version}(/[a-z]+)?(({FALLBACK}|{MIRROR})[^:]+)?::")
        mine = ((line, found.end()) for line in lines if (found := start.match(line)))
        counted: Counter[str] = Counter()
        for address, separator, count in (line[end:].partition("::rq_active::") for line, end in mine):
            if separator:
                counted[address] += int(count)
        return dict(counted)

    async def unhealthy(self) -> set[str]:
        """Addresses that get no requests because they fail their health check or were ejected."""
        members = await self._admin.numbers(_MEMBERS)
        totals = (name for name in members if name.endswith("_total"))
        if all(members[name] == members.get(f"{name.removesuffix('_total')}_healthy") for name in totals):
            return set()
        clusters = json.loads(await self._admin.get("/clusters?format=json"))["cluster_statuses"]
        return {_address(host) for cluster in clusters for host in cluster.get("host_statuses", ()) if _unwell(host)}

    async def requests(self, service: str | None = None) -> dict[tuple[str, int], Requests]:
        """Counters by service and version; of one service, or of all."""
        which = ("[^./]+" if service is None else re.escape(service)) + "/[0-9]+(/[a-z]+)?"
        found: dict[tuple[str, int], Counter[str]] = {}
        for name, value in (await self._admin.numbers(rf"^cluster\.{which}{_REQUESTS}")).items():
            _, cluster, *kind = name.split(".")
            owner, version, *_ = cluster.split("/")  # the port of gRPC has a cluster of its own
            found.setdefault((owner, int(version)), Counter())[_counter(".".join(kind))] += value
        return {key: _requests(numbers) for key, numbers in found.items()}

    async def degraded(self, service: str) -> int:
        """How many answers came from its fallback since Envoy started."""
        ended = rf"^cluster\.[^.]+{FALLBACK}{re.escape(service)}\.upstream_rq_completed$"
        return sum((await self._admin.numbers(ended)).values())

    async def mirrored(self, service: str) -> Requests:
        """What its mirror was sent since Envoy started."""
        counted: Counter[str] = Counter()
        for name, value in (
            await self._admin.numbers(rf"^cluster\.[^.]+{MIRROR}{re.escape(service)}{_REQUESTS}")
        ).items():
            counted[_counter(name.rpartition(f"{MIRROR}{service}.")[2])] += value
        return _requests(dict(counted))

    async def times(self, service: str) -> dict[int, tuple[int, ...]]:
        """By version, how many requests took no longer than each of `times.BOUNDS`; a second old at most."""
        pattern = rf"^cluster\.{re.escape(service)}/[0-9]+(/[a-z]+)?\.upstream_rq_time$"
        found: dict[int, tuple[int, ...]] = {}
        for cluster, counts in times.counted(await self._admin.histograms(pattern)).items():
            version = int(cluster.split("/")[1])
            found[version] = tuple(map(sum, zip(counts, found.get(version, (0,) * len(counts)), strict=True)))
        return found


async def connections(pid: int, addresses: Collection[str]) -> dict[str, int]:
    """Connections that Envoy has open to each address. To one that left its cluster, that is its requests in flight.

    (Envoy forgets a host with its cluster's old form, but keeps the connection until the answer has passed, and closes
    it then; idle ones it closes at once.)
    """
    counted = await asyncio.to_thread(_remote_ends, pid)
    return {address: counted[address] for address in addresses}


def _remote_ends(pid: int) -> Counter[str]:
    import psutil

    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return Counter()
    remote = (end.raddr for end in found if end.raddr and end.status == psutil.CONN_ESTABLISHED)
    return Counter(_join(end.ip, end.port) for end in remote)


def _requests(numbers: dict[str, int]) -> Requests:
    completed, failed = numbers.get("completed", 0), numbers.get("5xx", 0)
    # Envoy counts answers apart that nobody got to see. A full queue (503) has not run the request.
    full = numbers.get("again 503", 0)
    completed += numbers.get("again completed", 0) - full
    failed += numbers.get("again 5xx", 0) - full
    return Requests(completed, failed, numbers.get("retry", 0), numbers.get("active", 0))


def _counter(name: str) -> str:
    """``retry.upstream_rq_5xx`` → ``again 5xx``: an answer in whose place another was asked for."""
    return name.replace("retry.upstream_rq_", "again ").removeprefix("upstream_rq_")


def _unwell(host: dict[str, Any]) -> bool:
    """Anything but ``eds_health_status`` says: failed a check, was ejected, waits for its first check."""
    health = {key: value for key, value in host.get("health_status", {}).items() if key != "eds_health_status"}
    return any(health.values())


def _address(host: dict[str, Any]) -> str:
    socket = host["address"]["socket_address"]
    return _join(socket["address"], socket["port_value"])


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
