"""Clusters of a fallback: its instances once more, under a name that says for whom they answer. Pure.

So their answers can be marked, and are counted apart from those to requests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlserve.gateway.headers import overwriting
from mlserve.gateway.table import Cluster, Table

FALLBACK_HEADER = "x-mlserve-fallback"
"""Names the service that answered in the place of the one that was asked."""


def fallbacks(table: Table) -> Iterator[Cluster]:
    """One for each service that has a fallback, and each version of that which may answer."""
    for route in table.routes:
        if route.fallback:
            for cluster in table.clusters_of(route.fallback.targets):
                yield replace(cluster, falls_in_for=route.service)


def marked(cluster: Cluster) -> dict[str, Any]:
    """The cluster's filters: its answers say that it is not the service that was asked."""
    kind = "type.googleapis.com/envoy.extensions.filters.http"
    mark = {"append": overwriting(FALLBACK_HEADER, cluster.service)}
    marking = {"@type": f"{kind}.header_mutation.v3.HeaderMutation", "mutations": {"response_mutations": [mark]}}
    codec = {"@type": f"{kind}.upstream_codec.v3.UpstreamCodec"}
    return {
        "http_filters": [
            {"name": "envoy.filters.http.header_mutation", "typed_config": marking},
            {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
        ]
    }
