"""Requests that name the version or the member that is to answer, with a header or by an address of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mlserve.gateway.matches import exact
from mlserve.gateway.replies import UNPINNED
from mlserve.gateway.route_table import SERVICE_HEADER
from mlserve.gateway.table import Route, Target

VERSION_HEADER = "x-mlserve-version"


def pins(route: Route, versions: Sequence[int]) -> Iterator[tuple[dict[str, Any], tuple[Target, ...]]]:
    """What a request has to carry, and who then answers; ``versions``: those of the service that run."""
    if route.pinned:
        yield from ((exact(SERVICE_HEADER, name), targets) for name, targets in route.pinned)
    elif len(versions) > 1:
        yield from ((exact(VERSION_HEADER, str(version)), (Target(route.service, version),)) for version in versions)


def unpinned(route: Route, versions: Sequence[int], match: dict[str, Any]) -> dict[str, Any]:
    """Whoever names what is not there is told so: another's answer would be taken for its.

    ``match``: requests that may pass otherwise.
    """
    known = [name for name, _ in route.pinned] if route.pinned else [str(version) for version in versions]
    name = SERVICE_HEADER if route.pinned else VERSION_HEADER
    not_known = [{**exact(name, one), "invert_match": True} for one in known]
    headers = [*match.get("headers", []), {"name": name, "present_match": True}, *not_known]
    return {"name": route.at, "match": match | {"headers": headers}, "direct_response": {"status": UNPINNED}}


def private(route: Route, versions: Sequence[int]) -> Iterator[Route]:
    """``NAME@VERSION`` for each of several versions that run, whatever share it has, and ``GROUP.NAME``."""
    itself = replace(route.by_itself, failed=False, signed=False)
    for version in versions if len(versions) > 1 else ():
        yield replace(itself, targets=((version, 1),), address=f"{route.service}@{version}")
    if route.group:
        yield replace(route, address=route.name_in_group, feedback="")
