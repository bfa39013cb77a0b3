"""Which arms an address has: the members of a group, or both versions of a service's release that asks for feedback."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlserve.errors import Conflict
from mlserve.hub import releasing
from mlserve.hub.arms.experiment import Experiment
from mlserve.hub.groups.verbs import Groups
from mlserve.hub.limits import LimitsOf
from mlserve.hub.routing import serving, takes_feedback
from mlserve.hub.seen import Seen


class Experiments:
    """The experiments of one hub, by the name that is in their address."""

    def __init__(self, groups: Groups, sights: Callable[[], Sequence[Seen]], limits: LimitsOf) -> None:
        self._groups, self._sights, self._limits = groups, sights, limits

    def of(self, name: str) -> Experiment:
        """Its arms; raises NotFound, and Conflict for a service whose versions nobody wished to compare."""
        seen = next((one for one in self._sights() if one.service.name == name), None)
        return self._groups.experiment(name) if seen is None else self._of_versions(seen)

    def _of_versions(self, seen: Seen) -> Experiment:
        service, release = seen.service, seen.service.release
        if release is None or not takes_feedback(service, self._limits):
            raise Conflict(
                f'"{service.name}" is a service, and its last release compares no versions by feedback',
                hint='"release": {"strategy": "canary", "feedback": true} does, and so do two services of one group',
            )
        shares = dict(releasing.targets(seen, serving(service)))
        weights = {str(version): shares.get(version, 0) for version in (release.old, release.new)}
        sticky = self._limits(service.name, release.new).sticky
        return Experiment(service.name, weights, release.started_at, None, sticky)
