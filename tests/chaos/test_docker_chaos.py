"""Containers, their engine and the way to it are killed under load: what is healthy answers, and all comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.box import (
    BOX,
    box,
    container_of,
    named_by_why,
    process_of,
    processes_of,
    programs_with,
    settled,
    under_load,
    wines,
    with_wines,
)
from tests.docker_engine import Engine, Sshd, engine
from tests.waiting import until

from mlserve.client import Client, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def ocean() -> Iterator[Engine]:
    """The engine of this module."""
    with engine() as one:
        yield with_wines(one)


@pytest.fixture
def whales(ocean: Engine) -> Engine:
    """It runs when a test begins; each leaves it empty."""
    if not ocean.answers():
        ocean.start()
    return ocean


@pytest.fixture
def pair(client: Client, whales: Engine) -> Iterator[Service]:
    """A service with two containers."""
    with box(client, whales):
        yield wines(client)


def test_sigkill_of_a_container_fails_no_request_and_is_made_good(pair: Service, whales: Engine) -> None:
    victim = pair.instances()[0]
    process = process_of(whales, victim)
    with under_load(pair) as load:
        os.kill(process, signal.SIGKILL)
        until(lambda: named_by_why(pair, "SIGKILL"))
        until(lambda: settled(pair, 2))
    assert load.failed() == []


def test_docker_restart_of_a_container_fails_no_request(pair: Service, whales: Engine) -> None:
    victim = pair.instances()[0]
    process = process_of(whales, victim)
    with under_load(pair) as load:
        with container_of(whales, victim) as container:
            container.restart(timeout=10)
        until(lambda: settled(pair, 2) and process not in processes_of(whales, pair))
        load.wait_for(100)
    assert load.failed() == []
    assert named_by_why(pair, "container-restarted")


def test_a_container_that_somebody_removes_fails_no_request_and_is_replaced(pair: Service, whales: Engine) -> None:
    victim = pair.instances()[0]
    with under_load(pair) as load:
        with container_of(whales, victim) as container:
            container.remove(force=True)
        until(lambda: settled(pair, 2) and victim["container"] not in containers(pair))
    assert load.failed() == []
    until(lambda: named_by_why(pair, "removed"))


def test_a_killed_engine_that_comes_back_has_its_services_again(
    client: Client, pair: Service, whales: Engine, iris: Path
) -> None:
    local = client.services.create(iris, set=["name=beside", "metadata.memory=256"]).wait()
    before = names(pair)
    row = b'{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}'
    with under_load(local, row) as load:
        whales.kill()
        until(lambda: pair.reload().status == "Degraded")
        assert "docker" in pair.reason.lower()
        assert client.resources.get(BOX)["status"] == "unavailable"
        whales.start()
        until(lambda: settled(pair, 2))
        assert [one["restarts"] for one in pair.instances()] == [1, 1], (
            "what died with its engine is not taken for well"
        )
    assert load.failed() == [], "what runs elsewhere does not notice"
    assert named_by_why(pair, "engine")
    assert names(pair) == before, "they were adopted"
    with under_load(pair) as load:
        load.wait_for(50)
    assert load.failed() == []


def test_containers_that_outlive_their_engine_are_adopted_as_they_run(client: Client) -> None:
    with engine("--live-restore") as lasting, box(client, with_wines(lasting)):
        pair = wines(client)
        before = processes_of(lasting, pair)
        lasting.kill()
        until(lambda: pair.reload().status == "Degraded")
        lasting.start()
        until(lambda: settled(pair, 2))
        assert processes_of(lasting, pair) == before
        assert [one["restarts"] for one in pair.instances()] == [0, 0]


def test_a_cut_tunnel_is_dug_again_and_none_is_left_behind(ssh_server: Sshd, client: Client, whales: Engine) -> None:
    with box(client, whales, host=f"ssh://gpu-box{whales.socket}"):
        pair = wines(client)
        before = processes_of(whales, pair)
        with under_load(pair) as load:
            ssh_server.cut()
            load.wait_for(100)
            until(lambda: settled(pair, 2))
        assert load.longest_gap() < 5.0
        assert processes_of(whales, pair) == before, "what runs beyond a cut tunnel is left alone"
        ssh_server.stop()
        until(lambda: pair.reload().status == "Degraded")
        assert "ssh" in pair.reason.lower()
        assert named_by_why(pair, "ssh")
        ssh_server.start()
        until(lambda: settled(pair, 2))
        assert processes_of(whales, pair) == before
    until(lambda: programs_with(str(ssh_server.config)) == [])


def containers(service: Service) -> set[str | None]:
    return {instance.get("container") for instance in service.instances()}


def names(service: Service) -> set[str]:
    return {instance["id"] for instance in service.instances()}
