"""Under constant load, things are killed and changed: no request fails that a healthy instance could have answered."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.load import Load

import mlserve
from mlserve.client import Client, Service

Row = dict[str, Any]


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    """What was measured, printed at the end as the table of the README."""
    rows: list[Row] = []
    yield rows
    lines = ["| while | requests | failed | p99 before | p99 during | longest gap |", "|---|---|---|---|---|---|"]
    shown = "| {what} | {sent} | {failed} | {before:.0f} ms | {during:.0f} ms | {gap:.0f} ms |"
    lines += [shown.format(**row) for row in rows]
    print("", *lines, sep="\n")
    if "MLSERVE_CHAOS_TABLE" in os.environ:
        Path(os.environ["MLSERVE_CHAOS_TABLE"]).write_text("\n".join(lines) + "\n")


@pytest.fixture
def pair(client: Client, iris: Path) -> Service:
    """A service with two instances."""
    return client.services.create(iris, set=["metadata.instance=2", "metadata.memory=256"]).wait()


def run(pair: Service, table: list[Row], what: str, trouble: Callable[[Load], None]) -> Load:
    body = json.dumps({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}).encode()
    with Load(pair.endpoint, pair.token or "", body) as load:
        trouble(load)
    failed = load.failed()
    table.append(
        {
            "what": what,
            "sent": len(load.answers),
            "failed": len(failed),
            "before": load.p99_ms(before=True),
            "during": load.p99_ms(before=False),
            "gap": load.longest_gap() * 1000,
        }
    )
    return load


def test_sigkill_of_the_hub_fails_no_request(client: Client, pair: Service, table: list[Row], home: Path) -> None:
    pids = {instance["pid"] for instance in pair.instances()}

    def trouble(load: Load) -> None:
        os.kill(hub_pid(home), signal.SIGKILL)
        load.wait_for(200)
        with mlserve.connect() as again:
            service = again.services.get(pair.name)
            assert {instance["pid"] for instance in service.instances()} == pids, "the next hub adopts what runs"
            assert service.status == "Running"

    assert run(pair, table, "SIGKILL of the hub, then the next hub adopts", trouble).failed() == []


def test_sigkill_of_one_of_two_instances_fails_no_request_and_is_replaced(pair: Service, table: list[Row]) -> None:
    victim = pair.instances()[0]

    def trouble(load: Load) -> None:
        os.kill(victim["pid"], signal.SIGKILL)
        until(lambda: replaced(pair, victim))

    assert run(pair, table, "SIGKILL of one of two instances", trouble).failed() == []


def test_envoy_is_back_within_a_second(pair: Service, table: list[Row], home: Path) -> None:
    def trouble(load: Load) -> None:
        os.kill(envoy_pid(home), signal.SIGKILL)
        time.sleep(0.05)
        load.wait_for(100)

    load = run(pair, table, "SIGKILL of Envoy", trouble)
    assert load.longest_gap() < 1.0


def test_scaling_up_and_down_fails_no_request(pair: Service, table: list[Row]) -> None:
    def trouble(load: Load) -> None:
        pair.scale(4)
        pair.wait()
        pair.scale(1)
        pair.wait()

    assert run(pair, table, "scale 2 → 4 → 1", trouble).failed() == []


def test_a_restart_fails_no_request(pair: Service, table: list[Row]) -> None:
    before = {instance["pid"] for instance in pair.instances()}

    def trouble(load: Load) -> None:
        pair.restart()
        pair.wait()

    assert run(pair, table, "restart, one at a time", trouble).failed() == []
    assert not before & {instance["pid"] for instance in pair.instances()}


def test_an_update_fails_no_request(pair: Service, table: list[Row]) -> None:
    def trouble(load: Load) -> None:
        pair.update(set=["metadata.rpc.max_queue_size=65"])
        pair.wait()

    assert run(pair, table, "update to a new version", trouble).failed() == []
    assert pair.version == 2


def test_stopping_another_service_fails_no_request(client: Client, pair: Service, iris: Path, table: list[Row]) -> None:
    other = client.services.create(iris, set=["name=other", "metadata.memory=256"]).wait()

    def trouble(load: Load) -> None:
        other.stop()
        other.wait()

    assert run(pair, table, "stop of another service", trouble).failed() == []


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def replaced(service: Service, victim: dict[str, Any]) -> bool:
    instances = service.instances()
    return len(instances) == 2 and all(one["state"] == "Ready" and one["pid"] != victim["pid"] for one in instances)


def hub_pid(home: Path) -> int:
    return int(json.loads((home / "hub.json").read_text())["pid"])


def envoy_pid(home: Path) -> int:
    return int(json.loads((home / "gateway" / "envoy.json").read_text())["pid"])
