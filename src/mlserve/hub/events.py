"""Who did what to a service, and when: kept with a bound, also of former services. Never a token, only its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from mlserve.errors import NotFound
from mlserve.hub.store.base import Record, Store

HUB = "-"
"""In a name's place for what is about the hub itself; no service can be called so."""
EACH = 200
"""Events of one service; the oldest go first."""
NAMES = 2000
"""Services, those that are gone among them, whose events are kept."""
_KIND = "events"
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Event:
    """``who``: ``hub`` (its own token) or the id of an issued one; ``outcome``: done or refused; ``times`` in a row."""

    at: float
    who: str
    what: str
    label: str = ""
    address: str = ""
    detail: str = ""
    outcome: str = "done"
    times: int = 1

    def again(self, other: Event) -> bool:
        """Whether the other one says the same once more."""
        return replace(self, at=0, times=1) == replace(other, at=0, times=1)


class Events:
    """The events of one hub, written through to its store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest = {record.key: float(record.data["at"]) for record in store.list(_KIND)}

    def add(self, name: str, event: Event) -> None:
        """Keep what happened to a service, or to `HUB`. The same again and again takes no more room than once."""
        record = self._store.get(_KIND, name)
        known = [Event(**each) for each in record.data["events"]] if record else []
        event = replace(event, detail=event.detail[:_LONGEST])
        if known and known[-1].again(event):
            event = replace(event, times=known.pop().times + 1)
        data = {"at": event.at, "events": [asdict(each) for each in (*known, event)[-EACH:]]}
        self._store.put(Record(_KIND, name, data), record.revision if record else 0)
        self._newest[name] = event.at
        self._bound()

    def of(self, name: str) -> Sequence[Event]:
        """The events of a service, newest first; raises NotFound where there are none."""
        record = self._store.get(_KIND, name)
        if record is None:
            raise NotFound(
                f'there are no events of "{name}"',
                hint="mlserve list shows the services; mlserve events alone: those of the hub",
            )
        return [Event(**each) for each in reversed(record.data["events"])]

    def knows(self, name: str) -> bool:
        """Whether there are any."""
        return name in self._newest

    def _bound(self) -> None:
        while len(self._newest) > NAMES:
            oldest = min(self._newest.keys() - {HUB}, key=self._newest.__getitem__)
            self._store.delete(_KIND, oldest)
            del self._newest[oldest]
