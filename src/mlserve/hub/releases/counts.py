"""How many instances of both versions a release wants now, and how it shares the requests between them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlserve.hub.releases.records import Phase, Release, Strategy


@dataclass(frozen=True, slots=True)
class Standing:
    """How both versions stand: their instances by state, and what is known of the new one."""

    count: int
    """How many instances the new version is to have."""
    old_count: int
    """How many the old one had before."""
    ready_old: int = 0
    ready_new: int = 0
    alive_old: int = 0
    """Also those that start or drain: they take room."""
    alive_new: int = 0
    """Those that start, are ready or died and will be started again."""
    leaving_new: int = 0
    """Those that drain: they take room, too."""
    shaky: int = 0
    """Of the ready new ones, those that died and have not been up again for long: none goes for them yet."""
    prepared: bool = False
    proven: bool = False
    """The new version has answered through the gateway."""
    trouble: str = ""
    """Why the new version failed."""
    alone: bool = False
    """Both want the same port of this machine, so one has to go first."""

    @property
    def usable(self) -> int:
        """New instances that may get requests."""
        return self.ready_new if self.proven else 0

    @property
    def steady(self) -> int:
        """Usable ones that old ones may go for."""
        return max(self.usable - self.shaky, 0)


def wanted(release: Release, standing: Standing, *, cleared: bool = True) -> dict[int, int]:
    """Version → instances, while the release is under way; ``cleared``: its gates don't hold it back."""
    old, new = release.old, release.new
    if release.phase is Phase.RETURNING:
        return _returning(release, standing)
    if not standing.prepared:
        return {old: standing.old_count}
    if _one_by_one(release, standing):
        return {old: 0, new: 0 if standing.alive_old else standing.count}
    if release.strategy is Strategy.ROLLING:
        return _rolling(release, standing, cleared=cleared)
    return {old: standing.old_count, new: _filling(release, standing)}


def enough(release: Release, standing: Standing) -> bool:
    """Whether the step has the new instances that it needs."""
    return standing.steady >= _filling(release, standing)


def weights(release: Release, standing: Standing) -> tuple[tuple[int, int], ...]:
    """``(version, percent)``, 100 together; a version without a ready instance gets nothing while the other has one."""
    share = _share(release, standing)
    if standing.ready_old == 0 and standing.usable:
        share = 100
    if not standing.usable:
        share = 0
    both = ((release.old, 100 - share), (release.new, share))
    return tuple((version, weight) for version, weight in both if weight)


def whole(text: str | int, of: int, *, up: bool) -> int:
    """Instances of a number or of ``"25%"`` of some."""
    if isinstance(text, int):
        return text
    share = float(text.rstrip("%")) * of / 100
    return math.ceil(share) if up else math.floor(share)


def peak(release: Release, count: int, old_count: int) -> int:
    """The most instances of both versions that run at a time."""
    if release.strategy is Strategy.RECREATE:
        return max(count, old_count)
    return max(count, old_count) + release.surge if release.strategy is Strategy.ROLLING else count + old_count


def _one_by_one(release: Release, standing: Standing) -> bool:
    return standing.alone or release.strategy is Strategy.RECREATE


def _filling(release: Release, standing: Standing) -> int:
    if release.strategy is not Strategy.CANARY or release.step is None:
        return standing.count
    return max(math.ceil(standing.count * release.step.weight / 100), 1)


def _returning(release: Release, standing: Standing) -> dict[int, int]:
    """As many of the new ones stay as are still missing of the old: what served is never less than before."""
    missing = 0 if _one_by_one(release, standing) else max(standing.old_count - standing.ready_old, 0)
    if release.strategy is not Strategy.ROLLING:
        return {release.old: standing.old_count, release.new: min(missing, standing.ready_new)}
    if not release.surge:  # one has to go before another one comes
        missing = max(missing - release.unavailable, 0)
    new = min(missing, standing.ready_new)
    room = _most(release, standing) - standing.alive_new - standing.leaving_new
    return {release.old: min(max(room, standing.ready_old), standing.old_count), release.new: new}


def _rolling(release: Release, standing: Standing, *, cleared: bool) -> dict[int, int]:
    """Old ones go for new ones that stay up; one that dies is waited for, as its next start may be its last."""
    needed = standing.old_count - release.unavailable
    old = min(max(needed - standing.steady, 0), standing.old_count)
    old = min(old, max(_most(release, standing) - standing.alive_new - standing.leaving_new, standing.ready_old))
    if release.paused_at is not None or (standing.usable and not cleared):
        stay = min(max(standing.ready_old, old), standing.old_count)
        return {release.old: stay, release.new: min(standing.alive_new, standing.count)}
    room = _most(release, standing) - max(standing.alive_old, old) - standing.leaving_new
    return {release.old: old, release.new: max(min(standing.count, room), min(standing.alive_new, standing.count), 0)}


def _most(release: Release, standing: Standing) -> int:
    return peak(release, standing.count, standing.old_count)


def _share(release: Release, standing: Standing) -> int:
    if release.strategy is Strategy.ROLLING:
        both = standing.ready_old + standing.usable
        # Of many there is at least one percent for each side, for both have instances that take requests.
        return min(max(round(100 * standing.usable / both), 1), 99) if standing.usable and standing.ready_old else 0
    if release.phase is Phase.RETURNING or not release.steps:
        return 0
    at = release.at if release.phase is Phase.JUDGING else release.at - 1
    return release.steps[at].weight if at >= 0 else 0
