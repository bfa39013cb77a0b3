"""A service's wish beside what is really there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlserve.backends.base import Instance, State
from mlserve.hub.records import Service, Version
from mlserve.hub.releases.step import Measured

ALIVE = (State.STARTING, State.READY, State.DRAINING)


@dataclass(frozen=True, slots=True)
class Seen:
    """A service's wish beside what is really there."""

    service: Service
    versions: Mapping[int, Version]
    instances: Sequence[Instance] = ()
    routed: int | None = None
    """The version that the gateway sends requests to now, as it has acknowledged; 0 for none."""
    trouble: str = ""
    """Why its resource group can't be asked now: the instances are those last seen, and nothing is planned."""
    measured: Measured = field(default_factory=Measured)
    """What the gateway has counted, where a release asks for it."""
    now: float = 0.0
    """When this was seen."""

    def of(self, number: int, *states: State) -> list[Instance]:
        """The instances of a version that are in one of the states."""
        return [i for i in self.instances if i.version == number and i.state in states]

    def current(self, number: int) -> list[Instance]:
        """The ready instances of a version, those a restart has outdated left out."""
        return [i for i in self.of(number, State.READY) if i.revision == str(self.service.restarts)]

    def given_up(self, number: int) -> list[Instance]:
        """The instances of a version that the backend tries no more, those a restart has outdated left out."""
        return [
            i for i in self.instances if i.version == number and i.final and i.revision == str(self.service.restarts)
        ]

    def one_at_a_time(self, one: int, other: int) -> bool:
        """Two versions can't run beside each other: both want the same port of this machine."""
        if not self.versions[one].fixed_port:
            return False
        return len({self.versions[number].descriptor.get("port") for number in (one, other)}) == 1
