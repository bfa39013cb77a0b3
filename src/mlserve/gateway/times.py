"""How long requests took, as Envoy counts it: for each bound, how many took no longer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

BOUNDS: tuple[float, ...] = (
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800,
    1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10_000, 15_000, 30_000, 60_000, 120_000, 3_600_000,
)  # fmt: skip
"""Milliseconds. Two versions that differ by a fifth are told apart; the last one is beyond any deadline."""

_BUCKET = re.compile(r"B[0-9.e+]+\([0-9]+,([0-9]+)\)")


def settings() -> list[dict[str, object]]:
    """What makes Envoy count by these bounds."""
    return [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(BOUNDS)}]


def counted(lines: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Cluster → its counts, from Envoy's text; those counted by other bounds are left out."""
    found: dict[str, tuple[int, ...]] = {}
    for line in lines:
        name, _, buckets = line.partition(": ")
        counts = tuple(int(count) for count in _BUCKET.findall(buckets))
        if len(counts) == len(BOUNDS):
            found[name.split(".")[1]] = counts
    return found
