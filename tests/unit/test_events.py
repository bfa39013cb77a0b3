"""What is kept of who did what: bounded, without tokens, and readable after the service is gone."""

from __future__ import annotations

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.errors import NotFound
from mlserve.hub import events
from mlserve.hub.audit import deed, detail_of
from mlserve.hub.events import HUB, Event, Events


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_events_are_newest_first_bounded_and_survive_the_hub(store: MemoryStore) -> None:
    kept = Events(store)
    for number in range(events.EACH + 20):
        kept.add("iris", Event(float(number), "t1", "scale", detail=f"{number} instances"))
    found = Events(store).of("iris")
    assert [found[0].at, found[-1].at, len(found)] == [events.EACH + 19, 20, events.EACH]


def test_the_same_again_and_again_pushes_nothing_out(store: MemoryStore) -> None:
    kept = Events(store)
    kept.add("iris", Event(1.0, "hub", "create"))
    for at in range(1000):
        kept.add("iris", Event(float(at), "t1", "delete", outcome="refused"))
    refused, created = kept.of("iris")
    assert (refused.times, refused.at, created.what) == (1000, 999.0, "create")


def test_names_that_are_gone_longest_go_first(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "NAMES", 3)
    kept = Events(store)
    kept.add(HUB, Event(0.0, "hub", "token create"))
    for at, name in enumerate(("a", "b", "a", "c")):
        kept.add(name, Event(at + 1.0, "hub", "create"))
    assert [name for name in (HUB, "a", "b", "c") if Events(store).knows(name)] == [HUB, "a", "c"]
    with pytest.raises(NotFound):
        kept.of("b")


def test_a_long_story_is_cut(store: MemoryStore) -> None:
    kept = Events(store)
    kept.add("iris", Event(1.0, "hub", "create", detail="x" * 10_000))
    assert len(kept.of("iris")[0].detail) == 500


def test_what_changes_something_is_a_deed_and_what_reads_is_none() -> None:
    for method, path, expected in (
        ("POST", "/v1/services", ("", "create")),
        ("DELETE", "/v1/services/iris", ("iris", "delete")),
        ("POST", "/v1/services/iris/scale", ("iris", "scale")),
        ("POST", "/v1/services/iris/models/m/load", ("iris", "models m load")),
        ("PUT", "/v1/services/iris/traffic", ("iris", "traffic")),
        ("POST", "/v1/tokens", (HUB, "token create")),
        ("DELETE", "/v1/tokens/t1", (HUB, "token remove t1")),
        ("POST", "/v1/hub/stop", (HUB, "hub stop")),
        ("GET", "/v1/services/iris", None),
        ("POST", "/v1/validate", None),
        ("PUT", "/v1/content/blobs/abc", None),
        ("POST", "/nowhere", None),
    ):
        assert deed(method, path) == expected, path


def test_the_detail_of_a_wish_counts_its_instances() -> None:
    for instances, words in ((1, "version 3, 1 instance"), (2, "version 3, 2 instances")):
        assert detail_of({"name": "iris", "wished": {"version": 3, "instances": instances}}) == words
