"""Releases for real: under a constant load a new version takes over, or doesn't, and nobody who asks can tell."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import mlserve
from mlserve.client import Client
from mlserve.errors import Conflict, UpdateFailed
from tests.chaos.load import Load
from tests.waiting import until
from tests.walk.release_kit import ask, descriptor

pytestmark = pytest.mark.alone

LIMIT = 60


def load(service: Any) -> Load:
    return Load(service.endpoint, service.token, b"{}", connections=4, pause=0.02)


def begun(client: Client, tmp_path: Path, **more: Any) -> Any:
    return client.services.create(descriptor(tmp_path, "one", **more)).wait(timeout=LIMIT)


def state(service: Any) -> str:
    return str(service.releases.status()["release"]["state"])


def test_blue_green_switches_and_goes_back_at_once(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path, metadata={"instance": 2})
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", {"strategy": "blue_green"}, metadata={"instance": 2}))
        service.wait(timeout=LIMIT)
        assert (ask(service), service.version) == ("two", 2)
        assert {one["version"]: one["state"] for one in service.versions()} == {1: "kept", 2: "serving"}
        before = {one["id"] for one in service.instances()}
        service.rollback().wait(timeout=LIMIT)
        assert (ask(service), service.version) == ("one", 1)
        assert {one["id"] for one in service.instances()} <= before, "nothing was started"
    assert sent.failed() == []


def test_a_canary_goes_to_the_end_by_itself(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path)
    release = {
        "strategy": "canary",
        "steps": [{"weight": 20, "pause": "1s"}, {"weight": 60, "pause": "1s"}],
        "gates": {"max_error_percent": 1, "max_p95_ratio": 20},
        "keep": "1s",
    }
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", release))
        seen: set[int] = set()

        def over() -> bool:
            status = service.releases.status()["release"]
            seen.add(status["versions"][1]["weight"])
            return status["state"] == "done"

        until(over)
        service.wait(timeout=LIMIT)
        assert (ask(service), service.version) == ("two", 2)
    assert {20, 60} <= seen
    assert sent.failed() == []
    until(lambda: {one["version"] for one in service.instances()} == {2})


def test_a_canary_that_errs_is_given_up_and_the_old_version_never_failed(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path)
    release = {"steps": [{"weight": 50, "pause": "60s"}], "gates": {"max_error_percent": 2}}
    with load(service) as sent:
        service.update(descriptor(tmp_path, "bad", release, environment={"STATUS": "500"}))
        with pytest.raises(UpdateFailed, match="requests failed, at most 2 %"):
            service.wait(timeout=LIMIT)
        assert (ask(service), service.reload().version, state(service)) == ("one", 1, "failed")
    assert sent.failed() == [], "the old version answered in its place"
    assert {one["version"] for one in service.instances()} == {1}
    service.update(descriptor(tmp_path, "three")).wait(timeout=LIMIT)
    assert ask(service) == "three"


def test_a_canary_that_is_slow_is_given_up(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path)
    release = {"steps": [{"weight": 50, "pause": "1s"}], "gates": {"max_p95_ratio": 3}}
    with load(service) as sent:
        service.update(descriptor(tmp_path, "slow", release, environment={"SECONDS": "0.2"}))
        with pytest.raises(UpdateFailed, match="p95 is"):
            service.wait(timeout=LIMIT)
    assert sent.failed() == []


def test_a_step_without_a_time_waits_for_promote_and_refuses_a_second_release(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path)
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", {"steps": [{"weight": 30}, {"weight": 70}]})).wait(timeout=LIMIT)
        assert state(service) == "waiting"
        with pytest.raises(Conflict, match="a release"):
            service.update(descriptor(tmp_path, "three"))
        service.releases.pause()
        assert state(service) == "paused"
        service.releases.resume()
        service.releases.promote()
        until(lambda: service.releases.status()["release"]["step"] == 2 and state(service) == "waiting")
        service.releases.abort()
        until(lambda: state(service) == "failed")
        assert ask(service) == "one"
    assert sent.failed() == []


def test_an_instance_that_dies_in_a_canary_costs_nobody_a_request(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path)
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", {"steps": [{"weight": 50}]})).wait(timeout=LIMIT)
        (new,) = [one for one in service.instances() if one["version"] == 2]
        os.kill(new["pid"], signal.SIGKILL)
        sent.wait_for(50)
        until(lambda: service.releases.status()["release"]["versions"][1]["weight"] == 50)
        service.releases.promote()
        until(lambda: state(service) == "done")
    assert sent.failed() == []


def test_rolling_replaces_instance_by_instance(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path, metadata={"instance": 3})
    most = 0
    with load(service) as sent:
        rolling = {"instance": 3, "rolling_strategy": {"max_surge": 1, "max_unavailable": 0}}
        gates = {"max_p95_ratio": 100, "min_requests": 5}  # Envoy's times begin anew with each change of instances
        service.update(descriptor(tmp_path, "two", {"gates": gates}, metadata=rolling))

        def over() -> bool:
            nonlocal most
            most = max(most, len([one for one in service.instances() if one["state"] != "Draining"]))
            return state(service) == "done"

        until(over)
        service.wait(timeout=LIMIT)
        assert ask(service) == "two"
    assert most <= 4
    assert sent.failed() == []


def test_rolling_ends_where_new_instances_die_again_and_again(client: Client, tmp_path: Path) -> None:
    metadata = {"instance": 2, "rolling_strategy": {"max_surge": 1}}
    service = begun(client, tmp_path, metadata=metadata)
    with load(service) as sent:
        service.update(descriptor(tmp_path, "bad", metadata=metadata, environment={"CRASH": "1"}))
        with pytest.raises(UpdateFailed, match="exit status 3"):
            service.wait(timeout=LIMIT)
    assert sent.failed() == []
    assert (ask(service), service.reload().version) == ("one", 1)
    until(lambda: [one["state"] for one in service.instances()] == ["Ready", "Ready"])


def test_a_version_that_never_gets_ready_changes_nothing(client: Client, tmp_path: Path) -> None:
    service = begun(client, tmp_path, metadata={"instance": 2})
    with load(service) as sent:
        broken = descriptor(
            tmp_path, "mute", metadata={"instance": 2, "rolling_strategy": {"max_surge": "50%"}},
            command="sleep 1000 $PORT", startup_timeout=2,
        )  # fmt: skip
        service.update(broken)
        with pytest.raises(UpdateFailed):
            service.wait(timeout=LIMIT)
        assert (ask(service), len(service.instances())) == ("one", 2)
    assert sent.failed() == []


@pytest.mark.parametrize("moment", ["filling", "judging", "after a step"])
def test_a_hub_killed_in_a_canary_is_followed_by_one_that_carries_on(
    client: Client, home: Path, tmp_path: Path, moment: str
) -> None:
    service = begun(client, tmp_path)
    steps = [{"weight": 20, "pause": "2s"}, {"weight": 50, "pause": "1s"}]
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", {"steps": steps, "gates": {"max_error_percent": 1}}))
        if moment == "after a step":
            until(lambda: service.releases.status()["release"]["step"] == 2)
        else:
            until(lambda: state(service) == moment)
        killed = json.loads((home / "hub.json").read_text())["pid"]
        os.kill(killed, signal.SIGKILL)
        time.sleep(0.5)
        service = mlserve.connect().services.get("shop")
        assert json.loads((home / "hub.json").read_text())["pid"] != killed
        until(lambda: state(service) == "done")
        assert service.wait(timeout=LIMIT).version == 2
        assert ask(service) == "two"
    assert sent.failed() == []


@pytest.mark.parametrize("strategy", ["rolling", "blue_green", "recreate"])
def test_a_hub_killed_in_any_other_release_is_followed_by_one_that_carries_on(
    client: Client, home: Path, tmp_path: Path, strategy: str
) -> None:
    service = begun(client, tmp_path, metadata={"instance": 2})
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", metadata={"instance": 2}), strategy=strategy)
        until(lambda: len([one for one in service.instances() if one["version"] == 2]) > 0)
        os.kill(json.loads((home / "hub.json").read_text())["pid"], signal.SIGKILL)
        service = mlserve.connect().services.get("shop")
        until(lambda: state(service) == "done")
        assert service.wait(timeout=LIMIT).version == 2
        assert ask(service) == "two"
    assert sent.failed() == [] or strategy == "recreate"


def test_a_gateway_killed_in_a_canary_changes_nothing_of_it(client: Client, home: Path, tmp_path: Path) -> None:
    service = begun(client, tmp_path)
    release = {"steps": [{"weight": 50, "pause": "4s"}], "gates": {"max_error_percent": 1}}
    with load(service) as sent:
        service.update(descriptor(tmp_path, "two", release))
        until(lambda: state(service) == "judging")
        os.kill(json.loads((home / "gateway" / "envoy.json").read_text())["pid"], signal.SIGKILL)
        sent.wait_for(50)
        until(lambda: state(service) == "done")
        assert service.wait(timeout=LIMIT).version == 2
