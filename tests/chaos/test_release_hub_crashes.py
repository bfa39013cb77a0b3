"""The hub is killed in each phase of a release, under constant load: the next one carries on where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.shop import LIMIT, shop, under_load, wish
from tests.chaos.table import Table
from tests.chaos.test_chaos import hub_pid
from tests.waiting import until
from tests.walk.release_kit import ask

import mlserve
from mlserve.client import Client, Service

CANARY = {
    "steps": [{"weight": 20, "pause": "1s"}, {"weight": 60, "pause": "1s"}],
    "gates": {"max_error_percent": 1},
    "keep": "1s",
}
ROLLING = {"rolling_strategy": {"max_surge": 1, "max_unavailable": 0}}
State = Callable[[Service], bool]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture
def pair(hub: Client, folder: Path) -> Service:
    """Two instances of whichever version the test before has left."""
    return shop(hub, folder)


def release(service: Service) -> Any:
    return service.releases.status()["release"]


def at_once(service: Service) -> bool:
    return bool(release(service))


def judged(service: Service) -> bool:
    return bool(release(service)["state"] != "filling")


def advanced(service: Service) -> bool:
    return bool(release(service)["step"] >= 2)


def begun(service: Service) -> bool:
    """An instance of the new version is there."""
    return any(one["version"] > service.version for one in service.instances())


def half(service: Service) -> bool:
    """One of them is ready, so the old version has lost one."""
    return any(one["version"] > service.version and one["state"] == "Ready" for one in service.instances())


@pytest.mark.parametrize(
    ("what", "when", "words"),
    [
        ("a canary begins", at_once, {"release": CANARY}),
        ("a canary's step is judged", judged, {"release": CANARY}),
        ("a canary goes on to its second step", advanced, {"release": CANARY}),
        ("a rolling release is under way", begun, {"metadata": ROLLING}),
        ("a blue-green release is under way", begun, {"release": {"strategy": "blue_green", "keep": "1s"}}),
    ],
)
def test_the_next_hub_ends_the_release(
    pair: Service, shared: Path, folder: Path, table: Table, what: str, when: State, words: dict[str, Any]
) -> None:
    who = what.split()[-1]
    with under_load(pair) as load:
        pair.update(wish(folder, who, **words))
        until(lambda: when(pair))
        killed(shared)
        with mlserve.connect() as next_hub:
            service = next_hub.services.get(pair.name)
            until(lambda: release(service)["state"] == "done")
            assert service.wait(timeout=LIMIT).version == pair.version + 1
            assert ask(service) == who
    assert table.add(f"SIGKILL of the hub while {what}", load) == []


def test_the_next_hub_gives_back_what_an_aborted_release_had_taken(
    pair: Service, shared: Path, folder: Path, table: Table
) -> None:
    before = ask(pair)
    with under_load(pair) as load:
        pair.update(wish(folder, "never", metadata=ROLLING, environment={"LATE": "2"}))
        until(lambda: half(pair))
        pair.releases.abort()
        killed(shared)
        with mlserve.connect() as next_hub:
            service = next_hub.services.get(pair.name)
            until(lambda: release(service)["state"] == "failed")
            until(lambda: {one["version"] for one in service.instances()} == {pair.version})
            assert (ask(service), service.reload().version) == (before, pair.version)
    assert table.add("SIGKILL of the hub while an aborted release goes back", load) == []


def killed(home: Path) -> None:
    os.kill(hub_pid(home), signal.SIGKILL)
