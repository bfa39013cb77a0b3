"""A version that is no good is released under constant load: it is given up, and nobody who asks has noticed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.load import Load
from tests.chaos.shop import LIMIT, shop, under_load, wish
from tests.chaos.table import Table
from tests.walk.release_kit import ask

from mlserve.client import Client, Service
from mlserve.errors import UpdateFailed

HALF = [{"weight": 50, "pause": "2s"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture
def one(hub: Client, folder: Path) -> Service:
    """Two instances of a version that is well."""
    return shop(hub, folder)


@pytest.mark.parametrize(
    ("what", "environment", "gates"),
    [
        ("crashes", {"CRASH": "1"}, {"max_error_percent": 2}),
        ("errs", {"STATUS": "500"}, {"max_error_percent": 2}),
        ("is slow", {"SECONDS": "0.5"}, {"max_p95_ratio": 3}),
    ],
)
def test_a_canary_is_given_up(
    one: Service, folder: Path, table: Table, what: str, environment: Mapping[str, str], gates: Mapping[str, Any]
) -> None:
    bad = wish(folder, "bad", {"steps": HALF, "gates": gates}, environment=environment)
    given_up(one, bad, table, f"canary of a version that {what}, given up")


def test_a_canary_that_answers_wrongly(one: Service, folder: Path, table: Table) -> None:
    bad = wish(folder, "wrong", {"steps": HALF, "gates": {"max_different_percent": 1}})
    load = given_up(one, bad, table, "canary of a version that answers wrongly, given up")
    assert {answer.detail for answer in load.good()} == {"one"}, "it is found out before anybody gets an answer of it"


def test_a_version_that_never_gets_ready(one: Service, folder: Path, table: Table) -> None:
    mute = wish(folder, "mute", command="sleep 1000 $PORT", startup_timeout=2)
    given_up(one, mute, table, "release of a version that never gets ready")


def test_capacity_that_is_lost_midway(hub: Client, one: Service, folder: Path, table: Table) -> None:
    """One new instance of two runs when somebody else takes the memory that was there for the other."""
    free = int(hub.resources.get("local")["free"]["memory_mb"])
    steps = {"steps": [{"weight": 50}, {"weight": 100}], "timeout": "3s"}
    with under_load(one) as load:
        one.update(wish(folder, "large", steps, metadata={"memory": free // 4})).wait(timeout=LIMIT)
        left = int(hub.resources.get("local")["free"]["memory_mb"])
        other = wish(folder, "other", name="other", instances=1, metadata={"memory": left - free // 8})
        hog = hub.services.create(other).wait(timeout=LIMIT)
        one.releases.promote()
        with pytest.raises(UpdateFailed, match="of memory are needed"):
            one.wait(timeout=LIMIT)
    hog.delete()
    assert table.add("canary whose room for more instances is taken by others", load) == []
    assert_as_before(one)


def given_up(one: Service, bad: Path, table: Table, what: str) -> Load:
    with under_load(one) as load:
        one.update(bad)
        with pytest.raises(UpdateFailed):
            one.wait(timeout=LIMIT)
    assert table.add(what, load) == []
    assert_as_before(one)
    return load


def assert_as_before(one: Service) -> None:
    assert (ask(one), one.reload().version) == ("one", 1)
    assert [(instance["version"], instance["state"]) for instance in one.instances()] == [(1, "Ready")] * 2
