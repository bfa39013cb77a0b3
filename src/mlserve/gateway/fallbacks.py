"""Clusters of the services that answer in the place of others: the same instances under a name of their own. Pure.

So their answers can be marked, and counted apart from what the lighter service is asked itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlserve.gateway.table import Cluster, Table


def falling_in(table: Table) -> Iterator[Cluster]:
    """One for each service that has a fallback, and each version of that."""
    for route in table.routes:
        wanted = {target.cluster for target in route.fallback.targets} if route.fallback else set()
        for cluster in table.clusters if wanted else ():
            if f"{cluster.service}/{cluster.version}" in wanted:
                yield replace(cluster, falls_in_for=route.service)
