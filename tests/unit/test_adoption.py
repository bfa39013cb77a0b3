"""Services of a lost store, rebuilt from what their instances say of themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.contract.memory_store import MemoryStore

from mlserve.hub.adoption import Adoption, told
from mlserve.hub.records import Prepared, Service, Version
from mlserve.hub.wishes import Wishes
from mlserve.workload import Workload

RAW = {"name": "iris", "token": "t0ps3cret", "dockerAuth": "YTpi", "model_path": "m.onnx", "metadata": {"instance": 2}}


def service(**changes: Any) -> Service:
    made = Service(name="iris", token="t0ps3cret", public=False, resource="box", created_at=1.0, updated_at=1.0)
    return replace(made, **changes)


def version(number: int = 1, **changes: Any) -> Version:
    return replace(Version("iris", number, 1.0, RAW, prepared=Prepared("", image="mlserve/iris:1")), **changes)


def workload(record: str, number: int = 1, count: int = 2, revision: str = "0") -> Workload:
    return Workload("iris", number, count, image="x", record=record, revision=revision)


def adoption() -> tuple[Adoption, Wishes]:
    wishes = Wishes(MemoryStore())
    return Adoption(wishes), wishes


def test_a_service_comes_back_with_its_descriptor_version_and_count() -> None:
    adopting, wishes = adoption()
    assert adopting.take_up("box", [workload(told(service(), version(3)), 3)]) == ["iris"]
    found = wishes.service("iris")
    assert (found.target, found.latest, found.count, found.resource) == (3, 3, 2, "box")
    assert found.serving is None, "it has to prove itself again"
    kept = wishes.version("iris", 3)
    assert kept.descriptor["model_path"] == "m.onnx"
    assert kept.prepared == Prepared("", image="mlserve/iris:1")


def test_its_group_has_an_address_again() -> None:
    grouped = version(descriptor={**RAW, "metadata": {"group": "shop"}})
    adopting, wishes = adoption()
    adopting.take_up("box", [workload(told(service(), grouped))])
    (group,) = wishes.groups()
    assert (group.name, bool(group.token), group.weights) == ("shop", True, {})


def test_neither_token_nor_secret_is_in_what_instances_carry() -> None:
    record = told(service(), version())
    assert "t0ps3cret" not in record
    assert "YTpi" not in record
    adopting, wishes = adoption()
    adopting.take_up("box", [workload(record)])
    assert wishes.service("iris").token not in ("", "t0ps3cret", "***")
    said = " ".join(warning["message"] for warning in wishes.version("iris", 1).warnings)
    assert "new token" in said
    assert "secrets are lost" in said


def test_of_two_versions_the_older_one_serves_and_the_update_goes_on() -> None:
    adopting, wishes = adoption()
    there = [workload(told(service(), version(n)), n, count, "4") for n, count in ((1, 3), (2, 1))]
    adopting.take_up("box", there)
    found = wishes.service("iris")
    assert (found.serving, found.target, found.serving_count, found.count, found.restarts) == (1, 2, 3, 3, 4)
    assert wishes.version("iris", 1).served
    assert not wishes.version("iris", 2).served


def test_what_is_wished_already_or_not_understood_is_left_alone() -> None:
    adopting, wishes = adoption()
    wishes.create(service(), version())
    before = wishes.service("iris")
    assert adopting.take_up("box", [workload(told(service(), version(7)), 7)]) == []
    assert wishes.service("iris") is before
    for text in ("", "{}", "[]", json.dumps({"format": 99})):
        assert adopting.take_up("box", [replace(workload(text), service="other")]) == []


def test_a_throw_away_service_is_named_to_be_ended() -> None:
    adopting, _ = adoption()
    assert adopting.take_up("box", [workload(told(service(trial_until=5.0), version()))]) == []
    assert adopting.thrown_away == {"iris"}
