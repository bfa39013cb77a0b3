"""An engine that accepts connections and does nothing: the hub ends what it reaches, and says little of the rest."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from mlserve.client import Client
from tests.docker_engine import Engine
from tests.waiting import until
from tests.walk.test_cli import document, mlserve
from tests.walk.test_resource_groups import created, stopped

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_hub_that_ends_for_good_ends_what_it_reaches_and_the_next_the_rest(
    client: Client, home: Path, docker_engine: Engine, fresh_engine: Engine
) -> None:
    client.resources.add("hung", "docker", {"host": fresh_engine.host})
    client.resources.add("steady", "docker", {"host": docker_engine.host})
    created(client, "hung", "hung")
    created(client, "steady", "steady")
    with stopped(fresh_engine):
        begin = time.monotonic()
        assert mlserve("hub", "stop", "--all").returncode == 0
        assert time.monotonic() - begin < 25
        assert containers(docker_engine, "steady") == []
    assert (home / "hub.log").read_text().count("no events of the engine") < 5, "the same is not said again and again"
    assert containers(fresh_engine, "hung") != []
    assert mlserve("hub", "start").returncode == 0
    until(lambda: containers(fresh_engine, "hung") == [], "what hung is stopped by the next hub")
    assert {one["name"]: one["status"] for one in document("list")} == {"hung": "Stopped", "steady": "Stopped"}


def test_what_can_not_be_ended_is_told(client: Client, fresh_engine: Engine) -> None:
    client.resources.add("lost", "docker", {"host": fresh_engine.host})
    fresh_engine.kill()
    until(lambda: client.resources.get("lost")["status"] == "unavailable", "its engine is away")
    ended = mlserve("hub", "stop", "--all")
    assert ended.returncode == 0
    assert '"lost" is away: what runs there goes on until the next hub reaches it' in ended.stderr


def containers(engine: Engine, service: str) -> list[str]:
    with closing(engine.client()) as client:
        found = client.containers.list(all=True, ignore_removed=True, filters={"label": f"mlserve.service={service}"})
        return [str(container.name) for container in found]
