"""Several resource groups on one hub: one that goes away takes nothing but its own services with it, for a while."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlserve.client import Client, Service
from mlserve.errors import Conflict, ResourceUnavailable
from tests.docker_engine import BASE, Engine, Sshd
from tests.waiting import until
from tests.walk.test_cli import document, error, mlserve

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

QUICK = {"eas.termination_grace_period": 1}
SERVE = "python3 -m http.server 8000 --directory /tmp"


def wish(name: str, resource: str, **metadata: Any) -> dict[str, Any]:
    container = {"image": BASE, "command": SERVE, "port": 8000}
    return {
        "name": name,
        "containers": [container],
        "metadata": {"instance": 1, "cpu": 0.1, "memory": 64, "resource": resource, **QUICK, **metadata},
    }


def created(client: Client, name: str, resource: str, **metadata: Any) -> Service:
    return client.services.create(wish(name, resource, **metadata)).wait(timeout=120)


def answers(service: Service) -> bool:
    headers = {"authorization": service.token}
    return httpx.get(f"{service.endpoint}/", headers=headers, timeout=10).status_code == 200


def test_a_group_that_goes_away_degrades_its_own_services_and_is_taken_up_again(
    client: Client, docker_engine: Engine, fresh_engine: Engine
) -> None:
    client.resources.add("steady", "docker", {"host": docker_engine.host})
    client.resources.add("shaky", "docker", {"host": fresh_engine.host})
    shaky, doomed = created(client, "shaky", "shaky"), created(client, "doomed", "shaky")
    begin = time.monotonic()
    first = created(client, "first", "steady")
    usual = time.monotonic() - begin
    assert answers(shaky)
    assert answers(first)

    fresh_engine.kill()
    until(lambda: shaky.reload().status == "Degraded", "the service of the dead engine is Degraded")
    # Its events end first; the next question finds out why.
    until(lambda: "nothing listens at" in str(shaky.reload().to_dict()["reason"]), "the reason is told")
    assert shaky.status == "Degraded"
    assert first.reload().status == "Running"
    assert first.to_dict()["reason"] is None
    assert shaky.why()[0]["cause"] == "resource-unavailable"
    group = {one["name"]: one for one in client.resources.list()}["shaky"]
    assert group["status"] == "unavailable"
    assert "nothing listens at" in group["reason"]
    assert "unavailable" in mlserve("resource", "list").stdout
    assert mlserve("list").stdout.count("nothing listens at") == 1, "a reason that two services share is said once"
    unread = mlserve("logs", "shaky")
    assert unread.returncode != 0
    assert '"shaky" is away' in unread.stderr, "not an empty log"
    assert "nothing listens at" in mlserve("describe", "shaky").stdout

    begin = time.monotonic()
    second = created(client, "second", "steady")
    assert time.monotonic() - begin < usual * 2 + 2
    assert answers(second)
    for wished in (
        lambda: client.services.create(wish("other", "shaky")),
        lambda: shaky.scale(2),
        lambda: shaky.update(set=["metadata.memory=128"]),
        shaky.restart,
    ):
        begin = time.monotonic()
        with pytest.raises(ResourceUnavailable, match='"shaky" is away'):
            wished()
        assert time.monotonic() - begin < 5
    doomed.delete(wait=False)
    told = mlserve("delete", "doomed", "-y", "--no-wait")
    assert told.returncode == 0
    assert "when it is back" in told.stderr
    assert doomed.reload().status == "Deleting"

    fresh_engine.start()
    until(lambda: shaky.reload().status == "Running", "the service runs again")
    assert shaky.to_dict()["reason"] is None
    until(lambda: answers(shaky), "it answers")
    until(lambda: "doomed" not in [one.name for one in client.services.list()], "what was to be deleted is")


def test_an_engine_that_hangs_holds_up_nobody_else(client: Client, docker_engine: Engine, fresh_engine: Engine) -> None:
    client.resources.add("steady", "docker", {"host": docker_engine.host})
    client.resources.add("hung", "docker", {"host": fresh_engine.host})
    steady, hung = created(client, "steady", "steady"), created(client, "hung", "hung")
    assert {row.split()[0]: row.split()[-2] for row in mlserve("list").stdout.splitlines()[1:]} == {
        "steady": "steady",
        "hung": "hung",
    }
    assert "hung (docker)" in mlserve("describe", "hung").stdout
    with stopped(fresh_engine):
        begin = time.monotonic()
        with pytest.raises(ResourceUnavailable, match="no answer"):
            hung.scale(2)
        assert time.monotonic() - begin < 20
        begin = time.monotonic()
        steady.scale(2).wait(timeout=60)
        assert time.monotonic() - begin < 20
        assert answers(steady)
        assert answers(hung), "what runs there does not need its engine"
        until(lambda: hung.reload().status == "Degraded", "it is noticed")
        assert "no answer" in str(hung.to_dict()["reason"])
        begin = time.monotonic()
        assert {one["status"] for one in client.resources.list()} == {"ready", "unavailable"}
        assert time.monotonic() - begin < 5
    until(lambda: hung.reload().status == "Running", "the engine goes on")
    hung.scale(2).wait(timeout=60)
    assert answers(hung)


@contextmanager
def stopped(engine: Engine) -> Iterator[None]:
    """An engine that accepts connections, and does nothing."""
    assert engine.process
    engine.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        engine.process.send_signal(signal.SIGCONT)


def test_a_hub_starts_while_an_engine_is_away(client: Client, fresh_engine: Engine) -> None:
    client.resources.add("shaky", "docker", {"host": fresh_engine.host})
    service = created(client, "shaky", "shaky")
    assert mlserve("hub", "stop").returncode == 0
    fresh_engine.kill()
    assert mlserve("hub", "start").returncode == 0
    assert document("describe", "shaky")["status"] == "Degraded"
    assert document("list")[0]["reason"]
    fresh_engine.start()
    until(lambda: document("describe", "shaky")["status"] == "Running", "it runs again")
    assert service.name == "shaky"


def test_a_group_that_never_comes_back_can_be_forgotten_with_what_was_there(
    client: Client, fresh_engine: Engine
) -> None:
    client.resources.add("lost", "docker", {"host": fresh_engine.host})
    service, kept = created(client, "gone", "lost"), created(client, "kept", "lost")
    fresh_engine.kill()
    until(lambda: service.reload().status == "Degraded", "its engine is away")
    service.delete(wait=False)
    refused = mlserve("resource", "remove", "lost", "-y")
    assert refused.returncode == 4
    assert "is used by kept" in refused.stderr
    assert "--no-wait" in refused.stderr
    kept.delete(wait=False)
    assert mlserve("resource", "remove", "lost", "-y").returncode == 0
    until(lambda: not client.services.list(), "their names are free")
    assert [one["name"] for one in client.resources.list()] == ["local"]

    fresh_engine.start()
    client.resources.add("lost", "docker", {"host": fresh_engine.host})
    with closing(fresh_engine.client()) as engine_client:
        until(
            lambda: not engine_client.containers.list(all=True, ignore_removed=True),
            "what was deleted is not taken up again",
        )
    assert not client.services.list()


def test_a_lost_store_is_rebuilt_from_what_runs(client: Client, docker_engine: Engine, home: Path) -> None:
    client.resources.add("box", "docker", {"host": docker_engine.host})
    service = created(client, "kept", "box", instance=2)
    before = {one["container"] for one in service.to_dict()["instances"]}
    assert mlserve("hub", "stop").returncode == 0
    for file in home.glob("hub.db*"):
        file.unlink()
    assert mlserve("hub", "start").returncode == 0
    assert document("list") == []

    added = mlserve("resource", "add", "box", "--backend", "docker", "--host", docker_engine.host)
    assert added.returncode == 0, added.stderr
    assert "kept" in added.stdout
    until(lambda: document("describe", "kept")["status"] == "Running", "what ran is known again")
    found = document("describe", "kept")
    assert {one["container"] for one in found["instances"]} == before
    assert found["version"] == 1
    assert found["wished"]["instances"] == 2
    assert found["descriptor"]["containers"][0]["image"] == BASE
    assert found["token"]
    assert found["token"] != service.token
    assert any("new token" in warning["message"] for warning in found["warnings"])
    assert httpx.get(f"{found['endpoint']}/", headers={"authorization": found["token"]}).status_code == 200
    assert mlserve("delete", "kept", "-y").returncode == 0


def test_another_hubs_instances_on_the_same_engine_are_left_alone(
    client: Client, docker_engine: Engine, tmp_path: Path
) -> None:
    client.resources.add("box", "docker", {"host": docker_engine.host})
    service = created(client, "mine", "box")
    container = service.to_dict()["instances"][0]["container"]
    other = {"MLSERVE_HOME": str(tmp_path / "other")}
    try:
        added = mlserve("resource", "add", "box", "--backend", "docker", "--host", docker_engine.host, **other)
        assert added.returncode == 0, added.stderr
        assert "mine" not in mlserve("list", **other).stdout
        assert mlserve("doctor", **other).returncode == 0
    finally:
        assert mlserve("hub", "stop", "--all", **other).returncode == 0
    with closing(docker_engine.client()) as engine_client:
        assert engine_client.containers.get(container).status == "running"
    service.delete()


def test_one_engine_is_one_group(client: Client, docker_engine: Engine, tmp_path: Path) -> None:
    client.resources.add("box", "docker", {"host": docker_engine.host})
    alias = tmp_path / "docker.sock"
    alias.symlink_to(docker_engine.socket)
    for host in (docker_engine.host, f"unix://{alias}"):
        with pytest.raises(Conflict, match='"box" is this very place already'):
            client.resources.add("again", "docker", {"host": host})
    assert [one["name"] for one in client.resources.list()] == ["local", "box"]


def test_a_group_is_tried_before_it_is_added(home: Path, tmp_path: Path, docker_engine: Engine) -> None:
    missing = f"unix://{tmp_path}/none.sock"
    refused = mlserve("resource", "add", "box", "--backend", "docker", "--host", missing, "-o", "json")
    assert (refused.returncode, error(refused)["code"]) == (1, "resource-unavailable")
    assert "there is no socket" in error(refused)["message"]
    assert "--no-check" in error(refused)["hint"]
    assert [group["name"] for group in document("resource", "list")] == ["local"]
    secrets = tmp_path / "secrets.env"
    secrets.write_text("# storage\nAWS_ACCESS_KEY_ID=who\nexport AWS_SECRET_ACCESS_KEY='very secret'\n")
    added = document(
        "resource", "add", "box", "--backend", "docker", "--host", missing, "--no-check", "--env-file", secrets
    )
    assert (added["status"], added["default"]) == ("unavailable", False)
    assert added["credentials"] == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    shown = mlserve("resource", "describe", "box")
    assert "very secret" not in shown.stdout + str(added)
    kept = home / "resources" / "box" / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert mlserve("resource", "remove", "box", "-y").returncode == 0
    assert not kept.exists()
    assert mlserve("resource", "add", "box", "docker", "--option", f"host={docker_engine.host}").returncode == 0
    shown_again = document("resource", "describe", "box")
    assert shown_again["status"] == "ready"
    assert shown_again["engine"]
    assert shown_again["api"]
    assert shown_again["free"]["memory_mb"] > 0
    assert "none that it tells of" in mlserve("resource", "describe", "box").stdout, "nobody has asked it for a GPU yet"


def test_a_service_without_a_resource_runs_on_the_group_that_is_used(client: Client, docker_engine: Engine) -> None:
    client.resources.add("box", "docker", {"host": docker_engine.host})
    assert mlserve("resource", "use", "box").returncode == 0
    assert [one["name"] for one in client.resources.list() if one["default"]] == ["box"]
    service = created(client, "app", "")
    assert (service.resource, service.backend) == ("box", "docker")
    with pytest.raises(Conflict, match="used by app"):
        client.resources.remove("box")
    client.resources.use("local")
    updated = service.update(set=["metadata.memory=96"]).wait(timeout=120)
    assert (updated.resource, updated.version) == ("box", 2)
    updated.delete()
    client.resources.remove("box")
    assert [one["name"] for one in client.resources.list()] == ["local"]


def test_a_service_behind_ssh_answers_and_a_cut_tunnel_is_made_again(
    ssh_server: Sshd, client: Client, docker_engine: Engine
) -> None:
    client.resources.add("gpu-box", "docker", {"host": f"ssh://gpu-box{docker_engine.socket}"})
    service = created(client, "far", "gpu-box")
    assert answers(service)
    ssh_server.cut()
    until(lambda: answers(service), "it answers through a new tunnel")
    assert mlserve("hub", "stop").returncode == 0
    assert answers(service)  # the tunnel outlives the hub
    assert mlserve("hub", "start").returncode == 0
    assert document("describe", "far")["status"] == "Running"
    assert answers(service)
    assert mlserve("delete", "far", "-y").returncode == 0
    assert mlserve("resource", "remove", "gpu-box", "-y").returncode == 0
