"""Judge a new version by the gateway's figures and by its answers, beside the old one's of the same time. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mlserve.hub.releases.records import Counted, Gates


class Verdict(StrEnum):
    """What the figures say."""

    PASSED = "passed"
    OPEN = "open"
    """There are too few requests to say."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what it rests on, in words."""

    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one version did in a span of time."""

    requests: int = 0
    errors: int = 0
    timed: int = 0
    """How many of them have their times counted."""
    p95_ms: float | None = None
    compared: int = 0
    """How many of its answers were compared with the old version's."""
    different: int = 0

    @property
    def error_percent(self) -> float:
        """Of 100 requests, how many failed."""
        return 100.0 * self.errors / self.requests if self.requests else 0.0

    @property
    def different_percent(self) -> float:
        """Of 100 answers that were compared, how many differ."""
        return 100.0 * self.different / self.compared if self.compared else 0.0


def figures(now: Counted, mark: Counted, bounds: Sequence[float]) -> Figures:
    """What happened between two looks; ``bounds``: milliseconds, one for each of `Counted.times`."""
    before = retimed(now, mark).times or (0,) * len(now.times)
    times = [later - earlier for later, earlier in zip(now.times, before, strict=False)]
    timed = times[-1] if times else 0
    return Figures(
        requests=now.total - mark.total,
        errors=now.failed - mark.failed,
        timed=timed,
        p95_ms=_quantile(times, bounds, 0.95),
        compared=now.compared - mark.compared,
        different=now.different - mark.different,
    )


def restarted(now: Counted, mark: Counted) -> bool:
    """Counters that went back: the gateway, or the hub that compares, is another one than when the mark was set."""
    return now.total < mark.total or now.failed < mark.failed or now.compared < mark.compared


def retimed(now: Counted, mark: Counted) -> Counted:
    """The mark, from which the times begin anew where Envoy did: it does with each change of a version's instances."""
    back = bool(mark.times and now.times) and now.times[-1] < mark.times[-1]
    return replace(mark, times=()) if back else mark


def judge(gates: Gates, old: Figures, new: Figures, *, over: bool, asked: bool = True) -> Judgement:
    """``over``: the time of the step has passed, so slowness counts; the others count from the first minimum on.

    One gate that is broken is enough, whatever the others still wait for. Not ``asked``: the version gets no requests
    of callers yet, so only its answers to what it is asked for comparison are there to be judged.
    """
    found = [_answers(gates, new), *([_counted(gates, old, new, over=over)] if asked else [])]
    for verdict in (Verdict.FAILED, Verdict.OPEN):
        for one in found:
            if one.verdict is verdict:
                return one
    return Judgement(Verdict.PASSED)


def _answers(gates: Gates, new: Figures) -> Judgement:
    limit = gates.max_different_percent
    if limit is None:
        return Judgement(Verdict.PASSED)
    if new.compared < gates.min_requests:
        return Judgement(Verdict.OPEN, f"{new.compared} of the {gates.min_requests} answers that comparing them needs")
    if new.different_percent > limit:
        share = f"{new.different_percent:.1f} % of {new.compared} answers differ from the old version's"
        return Judgement(Verdict.FAILED, f"{share}, at most {limit:g} % may be")
    return Judgement(Verdict.PASSED)


def _counted(gates: Gates, old: Figures, new: Figures, *, over: bool) -> Judgement:
    if new.requests < gates.min_requests:
        return Judgement(Verdict.OPEN, f"{new.requests} of the {gates.min_requests} requests that its gates need")
    limit = gates.max_error_percent
    if limit is not None and new.error_percent > limit:
        share = f"{new.error_percent:.1f} % of {new.requests} requests failed"
        return Judgement(
            Verdict.FAILED, f"{share}, at most {limit:g} % may (the old version: {old.error_percent:.1f} %)"
        )
    return _slowness(gates, old, new) if over else Judgement(Verdict.PASSED)


def _slowness(gates: Gates, old: Figures, new: Figures) -> Judgement:
    if gates.max_p95_ratio is None:
        return Judgement(Verdict.PASSED)
    few = min(old.timed, new.timed)
    if few < gates.min_requests or old.p95_ms is None or new.p95_ms is None:
        return Judgement(Verdict.OPEN, f"{few} of the {gates.min_requests} timed requests that comparing p95 needs")
    if new.p95_ms > gates.max_p95_ratio * max(old.p95_ms, 1.0):
        times = f"p95 is {new.p95_ms:.0f} ms, the old version's {old.p95_ms:.0f} ms"
        return Judgement(Verdict.FAILED, f"{times}: it may be at most {gates.max_p95_ratio:g} times as long")
    return Judgement(Verdict.PASSED)


def _quantile(times: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """Milliseconds, from how many took at most each bound; None: nothing was counted."""
    if not times or times[-1] <= 0:
        return None
    wanted = math.ceil(share * times[-1])
    below, from_ms = 0, 0.0
    for count, to_ms in zip(times, bounds, strict=False):
        if count >= wanted:
            inside = (wanted - below) / (count - below)
            return from_ms + (to_ms - from_ms) * inside
        below, from_ms = count, to_ms
    return bounds[-1]
