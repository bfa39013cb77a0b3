"""How many instances of both versions a release wants now, and how it shares the requests between them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlserve.hub.releases.records import Phase, Release, Strategy


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is of both versions."""

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


def wanted(release: Release, sight: Sight, *, cleared: bool = True) -> dict[int, int]:
    """Version → instances, while the release is under way; ``cleared``: its gates don't hold it back."""
    old, new = release.old, release.new
    if release.phase is Phase.RETURNING:
        return _returning(release, sight)
    if not sight.prepared:
        return {old: sight.old_count}
    if _one_by_one(release, sight):
        return {old: 0, new: 0 if sight.alive_old else sight.count}
    if release.strategy is Strategy.ROLLING:
        return _rolling(release, sight, cleared=cleared)
    return {old: sight.old_count, new: _filling(release, sight)}


def enough(release: Release, sight: Sight) -> bool:
    """Whether the step has the new instances that it needs."""
    return sight.steady >= _filling(release, sight)


def weights(release: Release, sight: Sight) -> tuple[tuple[int, int], ...]:
    """``(version, percent)``, 100 together; a version without a ready instance gets nothing while the other has one."""
    share = _share(release, sight)
    if sight.ready_old == 0 and sight.usable:
        share = 100
    if not sight.usable:
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


def _one_by_one(release: Release, sight: Sight) -> bool:
    return sight.alone or release.strategy is Strategy.RECREATE


def _filling(release: Release, sight: Sight) -> int:
    if release.strategy is not Strategy.CANARY or release.step is None:
        return sight.count
    return max(math.ceil(sight.count * release.step.weight / 100), 1)


def _returning(release: Release, sight: Sight) -> dict[int, int]:
    """As many of the new ones stay as are still missing of the old: what served is never less than before."""
    missing = 0 if _one_by_one(release, sight) else max(sight.old_count - sight.ready_old, 0)
    if release.strategy is not Strategy.ROLLING:
        return {release.old: sight.old_count, release.new: min(missing, sight.ready_new)}
    if not release.surge:  # one has to go before another one comes
        missing = max(missing - release.unavailable, 0)
    new = min(missing, sight.ready_new)
    room = _most(release, sight) - sight.alive_new - sight.leaving_new
    return {release.old: min(max(room, sight.ready_old), sight.old_count), release.new: new}


def _rolling(release: Release, sight: Sight, *, cleared: bool) -> dict[int, int]:
    """Old ones go for new ones that stay up; one that dies is waited for, as its next start may be its last."""
    needed = sight.old_count - release.unavailable
    old = min(max(needed - sight.steady, 0), sight.old_count)
    old = min(old, max(_most(release, sight) - sight.alive_new - sight.leaving_new, sight.ready_old))
    if release.paused_at is not None or (sight.usable and not cleared):
        stay = min(max(sight.ready_old, old), sight.old_count)
        return {release.old: stay, release.new: min(sight.alive_new, sight.count)}
    room = _most(release, sight) - max(sight.alive_old, old) - sight.leaving_new
    return {release.old: old, release.new: max(min(sight.count, room), min(sight.alive_new, sight.count), 0)}


def _most(release: Release, sight: Sight) -> int:
    return peak(release, sight.count, sight.old_count)


def _share(release: Release, sight: Sight) -> int:
    if release.strategy is Strategy.ROLLING:
        both = sight.ready_old + sight.usable
        # Of many there is at least one percent for each side, for both have instances that take requests.
        return min(max(round(100 * sight.usable / both), 1), 99) if sight.usable and sight.ready_old else 0
    if release.phase is Phase.RETURNING or not release.steps:
        return 0
    at = release.at if release.phase is Phase.JUDGING else release.at - 1
    return release.steps[at].weight if at >= 0 else 0
