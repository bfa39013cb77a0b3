"""Ask the gateway what releases want to know: how the old and the new version of each service do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from mlserve.errors import GatewayFailed
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.times import BOUNDS
from mlserve.hub import releasing
from mlserve.hub.comparing.comparisons import Comparisons
from mlserve.hub.comparing.report import Report
from mlserve.hub.releases.records import Counted
from mlserve.hub.releases.step import Measured
from mlserve.hub.seen import Seen


async def with_figures(gateway: Gateway, comparisons: Comparisons, sights: Sequence[Seen]) -> list[Seen]:
    """The sights with the time, and with what was counted where a release is under way."""
    now = time.time()
    comparisons.follow(sights)
    reports = [comparisons.of_release(seen.service) for seen in sights]
    measured = [
        with_answers(await _measured(gateway, seen), seen, one) for seen, one in zip(sights, reports, strict=True)
    ]
    return [replace(seen, now=now, measured=one) for seen, one in zip(sights, measured, strict=True)]


def with_answers(measured: Measured, seen: Seen, report: Report | None) -> Measured:
    """What was measured, with what is known of the new version's answers. Pure."""
    release = seen.service.release
    if report is None or release is None:
        return measured
    measured = replace(measured, answers=report)
    if measured.counted is None:
        return measured
    new = replace(measured.of(release.new), compared=report.compared, different=report.different)
    return replace(measured, counted={**measured.counted, release.new: new})


async def _measured(gateway: Gateway, seen: Seen) -> Measured:
    release = releasing.under_way(seen.service)
    if release is None:
        return Measured()
    name = seen.service.name
    try:
        requests, times = await gateway.requests(name), await gateway.times(name)
    except GatewayFailed:
        return Measured()  # it is being started again, say: what it counts then is judged
    none = (0,) * len(BOUNDS)
    counted = {
        version: Counted(one.total, one.failed, times.get(version, none)) for (_, version), one in requests.items()
    }
    return Measured(counted, BOUNDS)
