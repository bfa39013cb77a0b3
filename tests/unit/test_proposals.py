"""What would be done, by what is there already."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from mlserve.backends.base import Backend, Capacity
from mlserve.errors import InvalidInput
from mlserve.hub.acceptance import Submission
from mlserve.hub.places import Place, Places
from mlserve.hub.proposal import AS_WRITTEN, Action, How, Known, Proposal, propose, shown
from mlserve.hub.records import Service, Version
from mlserve.storage import ContentStore

RAW: dict[str, Any] = {"name": "web", "command": "serve", "port": 9000, "metadata": {"instance": 1, "memory": 100}}
SERVICE = Service("web", "t", False, "local", 0, 0, count=2, serving=1, serving_count=2)
VERSION = Version("web", 1, 0, RAW, served=True)


class Roomy:
    """Two groups with all the room there is."""

    trouble = ""

    async def capacity(self) -> Capacity:
        return Capacity()

    def pick(self, name: str) -> Place:
        return Place(name or "local", "local", cast(Backend, self))

    def gateway(self, _: Place) -> str:
        return "http://127.0.0.1:1"


def proposed(folder: Path, known: Known | None, raw: dict[str, Any] = RAW, how: How = AS_WRITTEN) -> Proposal:
    return asyncio.run(propose(Submission(raw, {}), known, cast(Places, Roomy()), ContentStore(folder), how))


def larger(**metadata: Any) -> dict[str, Any]:
    return {**RAW, "metadata": {**RAW["metadata"], "memory": 300, **metadata}}


@pytest.mark.parametrize(
    ("known", "strategy", "most"),
    [
        (None, "start", (1, 300)),
        (Known(SERVICE, VERSION), "blue_green", (4, 800)),
        (Known(SERVICE, replace(VERSION, fixed_port=True)), "recreate", (2, 600)),
        (Known(replace(SERVICE, stopped=True), VERSION), "start", (2, 600)),
        (Known(replace(SERVICE, serving=None), VERSION), "start", (2, 600)),
    ],
)
def test_the_strategy_is_the_one_that_the_loop_follows(
    tmp_path: Path, known: Known | None, strategy: str, most: tuple[int, int]
) -> None:
    found = proposed(tmp_path, known, larger())
    assert found.strategy == strategy
    assert (found.peak.instances, found.peak.memory_mb) == most


@pytest.mark.parametrize(
    ("words", "word", "strategy", "instances"),
    [
        ({"metadata": {**RAW["metadata"], "memory": 300, "rolling_strategy": {"max_surge": 1}}}, "", "rolling", 3),
        ({"release": {"steps": [{"weight": 20, "pause": "5s"}]}}, "", "canary", 4),
        ({"release": {"strategy": "canary"}}, "recreate", "recreate", 2),
        ({"label": "a"}, "rolling", "rolling", 3),
    ],
)
def test_the_strategy_is_that_of_the_descriptor_unless_another_one_is_named(
    tmp_path: Path, words: dict[str, Any], word: str, strategy: str, instances: int
) -> None:
    found = proposed(tmp_path, Known(SERVICE, VERSION), {**RAW, **words}, How(strategy=word))
    assert (found.strategy, found.peak.instances) == (strategy, instances)


def test_versions_that_never_run_side_by_side_are_refused_where_their_answers_are_to_be_compared(
    tmp_path: Path,
) -> None:
    gated = {**larger(), "release": {"gates": {"max_different_percent": 1}}}
    with pytest.raises(InvalidInput, match="the same port"):
        proposed(tmp_path, Known(SERVICE, replace(VERSION, fixed_port=True)), gated).require_possible()
    proposed(tmp_path, Known(SERVICE, VERSION), gated).require_possible()
    proposed(tmp_path, None, gated).require_possible()


def test_a_strategy_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no release strategy"):
        proposed(tmp_path, None, RAW, How(strategy="slowly"))


def test_a_stopped_service_that_is_scaled_stays_stopped(tmp_path: Path) -> None:
    stopped = Known(replace(SERVICE, stopped=True), VERSION)
    found = proposed(tmp_path, stopped, {**RAW, "metadata": {"instance": 5, "memory": 100}})
    assert (found.action, found.count, found.peak.instances) == (Action.SCALE, 5, 0)


def test_what_an_update_refuses_is_shown_before_it_is_raised(tmp_path: Path) -> None:
    found = proposed(tmp_path, Known(SERVICE, VERSION), larger(resource="box"))
    assert found.action is Action.REFUSE
    told = shown(found)
    assert (told["peak"], told["version"]["new"], told["errors"][0]["code"]) == (None, None, "invalid-input")
    with pytest.raises(InvalidInput, match="keeps /metadata/resource: it is local, not box"):
        found.require_possible()


def test_a_number_of_instances_that_no_service_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="1 to 1000"):
        proposed(tmp_path, Known(SERVICE, VERSION), {**RAW, "metadata": {"instance": 0, "memory": 100}})
