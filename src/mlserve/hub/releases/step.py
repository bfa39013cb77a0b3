"""Decide the next step of a release. Pure: no I/O, no clock; the same step again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlserve.hub.comparing.report import Report
from mlserve.hub.releases.counts import Standing, enough
from mlserve.hub.releases.gates import Judgement, Verdict, figures, judge, restarted, retimed
from mlserve.hub.releases.records import Counted, Phase, Release, Strategy


@dataclass(frozen=True, slots=True)
class Move:
    """The release as it is to be kept."""

    release: Release
    blame: str = ""
    """Why the new version is to be given up: once that is written down, the next step gives it up."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a release is judged by: the gateway's counters by version; ``counted`` None: it can't be asked now."""

    counted: Mapping[int, Counted] | None = None
    bounds: Sequence[float] = ()
    answers: Report | None = None
    """How the new version's answers differ from the old one's, since the release began."""

    def of(self, number: int) -> Counted:
        """The counters of a version; none where it was never asked."""
        return (self.counted or {}).get(number) or Counted(times=(0,) * len(self.bounds))


def step(release: Release, standing: Standing, measured: Measured, now: float) -> Move:
    """What comes next, seen what is there and what was counted."""
    if not release.under_way:
        return Move(release)
    move = _next(_retimed(release, measured), standing, measured, now)
    if move.release.under_way or measured.counted is None:
        return move
    last = {number: measured.of(number) for number in move.release.marks}
    return replace(move, release=replace(move.release, last=last))


def judgement(release: Release, measured: Measured, now: float) -> Judgement:
    """How the new version does in its step."""
    if release.gates is None:
        return Judgement(Verdict.PASSED)
    if release.new not in release.marks or measured.counted is None:
        return Judgement(Verdict.OPEN, "the gateway has not counted anything yet")
    old, new = (
        figures(measured.of(number), release.marks.get(number, Counted()), measured.bounds)
        for number in (release.old, release.new)
    )
    over = release.strategy is Strategy.ROLLING or (release.phase is Phase.JUDGING and _over(release, now))
    asked = release.step is None or release.step.weight > 0
    return judge(release.gates, old, new, over=over, asked=asked)


def promote(release: Release) -> Release:
    """Let the step pass, whatever is left of its time; a release that is paused goes on."""
    return replace(release, promoted=release.at, paused_at=None)


def pause(release: Release, now: float) -> Release:
    """Stay at this step; errors still end the release."""
    return release if release.paused_at is not None else replace(release, paused_at=now)


def resume(release: Release, now: float) -> Release:
    """Go on; the time of the pause does not count."""
    if release.paused_at is None:
        return release
    paused = max(now - release.paused_at, 0.0)
    since = release.since + paused if release.since is not None else None
    return replace(release, paused_at=None, since=since)


def _retimed(release: Release, measured: Measured) -> Release:
    if measured.counted is None:
        return release
    return replace(
        release, marks={number: retimed(measured.of(number), mark) for number, mark in release.marks.items()}
    )


def _next(release: Release, standing: Standing, measured: Measured, now: float) -> Move:
    if release.since is not None and release.since > now:  # the clock was set back: what is over nobody knows
        release = replace(release, since=now)
    if release.phase is Phase.RETURNING:
        return Move(_returned(release, standing, now))
    if standing.trouble:
        back = replace(release, phase=Phase.RETURNING, since=now, reason=standing.trouble, paused_at=None)
        return Move(_returned(back, standing, now))
    if release.since is None:
        return Move(_begun(release, measured, now) if standing.prepared else release)
    return _fill(release, standing, measured, now) if release.phase is Phase.FILLING else _judge(release, measured, now)


def _begun(release: Release, measured: Measured, now: float) -> Release:
    """The old version's figures matter from here on, for a switch leaves nothing to compare with afterwards."""
    marks = release.marks or ({release.old: measured.of(release.old)} if measured.counted is not None else {})
    return replace(release, since=now, marks=marks)


def _fill(release: Release, standing: Standing, measured: Measured, now: float) -> Move:
    found = Judgement(Verdict.PASSED)
    if measured.counted is not None and _takes_requests(release, standing):
        if release.new not in release.marks or _recounted(release, measured):
            return Move(_marked(release, measured))
        found = judgement(release, measured, now)
    if found.verdict is Verdict.FAILED:
        return Move(release, found.why)
    if found.verdict is Verdict.OPEN and release.strategy is Strategy.ROLLING:
        return Move(release, _too_late(release, found, now, release.fill_limit + release.gate_limit))
    if release.paused_at is not None:
        return Move(release)
    if enough(release, standing):
        return Move(_filled(release, measured, now))
    if now - (release.since or now) > release.fill_limit:
        short = f"{standing.usable} of the {standing.count} new instances were ready"
        return Move(release, f"{short} after {release.fill_limit:g} s, the longest that a step of the release may take")
    return Move(release)


def _takes_requests(release: Release, standing: Standing) -> bool:
    """The new version has some already, though the step is not filled."""
    return bool(standing.usable) and (release.strategy is Strategy.ROLLING or release.at > 0)


def _filled(release: Release, measured: Measured, now: float) -> Release:
    if release.step is None:
        return replace(release, phase=Phase.DONE, since=None, ended_at=now)
    return _marked(replace(release, phase=Phase.JUDGING, since=now), measured)


def _judge(release: Release, measured: Measured, now: float) -> Move:
    if measured.counted is not None and (release.new not in release.marks or _recounted(release, measured)):
        again = now if release.gates else release.since  # without gates nobody waits for figures
        return Move(_marked(replace(release, since=again), measured))
    found = judgement(release, measured, now)
    if found.verdict is Verdict.FAILED:
        return Move(release, found.why)
    if release.promoted == release.at:
        return Move(_advanced(release, now))
    wanted = release.step.pause if release.step else 0.0
    if release.paused_at is not None or wanted is None or not _over(release, now):
        return Move(release)
    if found.verdict is Verdict.PASSED:
        return Move(_advanced(release, now))
    return Move(release, _too_late(release, found, now, wanted + release.gate_limit))


def _too_late(release: Release, found: Judgement, now: float, limit: float) -> str:
    if release.paused_at is not None or now - (release.since or now) <= limit:
        return ""
    missing = f"{found.why} (send requests meanwhile, or lower min_requests)"
    return f"its gates could not be judged within {limit:g} s: {missing}"


def _advanced(release: Release, now: float) -> Release:
    return replace(release, at=release.at + 1, phase=Phase.FILLING, since=now)


def _over(release: Release, now: float) -> bool:
    """The time of the step has passed; one that waits for somebody has none."""
    wanted = release.step.pause if release.step else 0.0
    return wanted is None or now - (release.since if release.since is not None else now) >= wanted


def _marked(release: Release, measured: Measured) -> Release:
    """The step's figures begin; the old version's stay those of before where it gets no more requests."""
    if measured.counted is None:
        return release
    alone = release.step is not None and release.step.weight == 100 and not _recounted(release, measured)
    kept = {release.old: release.marks[release.old]} if alone and release.old in release.marks else {}
    return replace(release, marks={release.old: measured.of(release.old), release.new: measured.of(release.new)} | kept)


def _recounted(release: Release, measured: Measured) -> bool:
    return measured.counted is not None and any(restarted(measured.of(n), mark) for n, mark in release.marks.items())


def _returned(release: Release, standing: Standing, now: float) -> Release:
    """Over once what a rolling release took from the old version is there again; after the limit, once any of it is."""
    late = now - (release.since or now) > release.fill_limit
    whole = release.strategy is not Strategy.ROLLING or standing.ready_old >= standing.old_count
    if whole or (late and standing.ready_old) or not standing.ready_new:
        return replace(release, phase=Phase.FAILED, since=None, ended_at=now)
    return release
