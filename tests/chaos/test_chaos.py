"""Under constant load, things are killed and changed: no request fails that a healthy instance could have answered."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.load import Load
from tests.chaos.table import Table
from tests.waiting import until

import mlserve
from mlserve.client import Client, Service

BODY = json.dumps({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}).encode()


@pytest.fixture
def pair(hub: Client, iris: Path) -> Service:
    """A service with two instances, as the test before left it."""
    there = hub.services.list()
    if there:
        return there[0].scale(2).wait()
    return hub.services.create(iris, set=["metadata.instance=2", "metadata.memory=256"]).wait()


def under_load(service: Service) -> Load:
    return Load(service.endpoint, service.token or "", BODY, connections=8, pause=0.02)


def test_sigkill_of_the_hub_fails_no_request(pair: Service, table: Table, shared: Path) -> None:
    pids = {instance["pid"] for instance in pair.instances()}
    with under_load(pair) as load:
        os.kill(hub_pid(shared), signal.SIGKILL)
        load.wait_for(200)
        with mlserve.connect() as again:
            service = again.services.get(pair.name)
            assert {instance["pid"] for instance in service.instances()} == pids, "the next hub adopts what runs"
            assert service.status == "Running"
    assert table.add("SIGKILL of the hub, then the next hub adopts", load) == []


def test_sigkill_of_one_of_two_instances_fails_no_request_and_is_replaced(pair: Service, table: Table) -> None:
    victim = pair.instances()[0]
    with under_load(pair) as load:
        os.kill(victim["pid"], signal.SIGKILL)
        until(lambda: replaced(pair, victim))
    assert table.add("SIGKILL of one of two instances", load) == []


def test_only_what_a_killed_envoy_holds_or_is_not_there_for_fails(pair: Service, table: Table, shared: Path) -> None:
    before = envoy_pid(shared)
    with under_load(pair) as load:
        os.kill(before, signal.SIGKILL)
        until(lambda: envoy_pid(shared) != before)
        load.wait_for(100)
    failed = table.add("SIGKILL of Envoy", load)
    assert {answer.status for answer in failed} <= {0}, "it answers well as soon as it answers at all"


def test_scaling_up_and_down_fails_no_request(pair: Service, table: Table) -> None:
    pair.scale(1).wait()
    with under_load(pair) as load:
        pair.scale(4).wait()
        pair.scale(1).wait()
    assert table.add("scale 1 → 4 → 1", load) == []


def test_a_restart_fails_no_request(pair: Service, table: Table) -> None:
    before = {instance["pid"] for instance in pair.instances()}
    with under_load(pair) as load:
        pair.restart().wait()
    assert table.add("restart, one at a time", load) == []
    assert not before & {instance["pid"] for instance in pair.instances()}


def test_stopping_another_service_fails_no_request(hub: Client, pair: Service, iris: Path, table: Table) -> None:
    other = hub.services.create(iris, set=["name=other", "metadata.memory=256"]).wait()
    with under_load(pair) as load:
        other.stop().wait()
    other.delete()
    assert table.add("stop of another service", load) == []


def replaced(service: Service, victim: Mapping[str, Any]) -> bool:
    instances = service.instances()
    return len(instances) == 2 and all(one["state"] == "Ready" and one["pid"] != victim["pid"] for one in instances)


def hub_pid(home: Path) -> int:
    return int(json.loads((home / "hub.json").read_text())["pid"])


def envoy_pid(home: Path) -> int:
    return int(json.loads((home / "gateway" / "envoy.json").read_text())["pid"])
