"""Instances asked without the gateway, from the descriptor to the answer: tokens, signatures, changes under load."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import mlserve
from mlserve.client import Client, Service
from mlserve.errors import Denied, InvalidInput
from tests import eas_client
from tests.unit.runtime_kit import IRIS, ROW, until
from tests.walk.test_access import wish
from tests.walk.test_cli import mlserve as command

pytestmark = pytest.mark.timeout(300)
PATHS = ("/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams", "/api/v1/servicediscovery/upstreams")


@pytest.fixture
def iris(client: Client, tmp_path: Path) -> Service:
    """Two instances of a model."""
    file = tmp_path / "service.json"
    wished = {"name": "iris", "processor": "onnx", "model_path": str(IRIS), "metadata": {"instance": 2, "cpu": 0.1}}
    file.write_text(json.dumps(wished))
    return client.services.create(file).wait(timeout=90)


def gateway_of(service: Service) -> str:
    return service.endpoint.partition("/api/")[0]


def told(service: Service, path: str = PATHS[0]) -> list[str]:
    """The addresses that the gateway tells."""
    items = httpx.get(f"{gateway_of(service)}{path}/{service.name}").json()["endpoints"]["items"]
    return sorted(f"{item['ip']}:{item['port']}" for item in items)


def addresses(service: Service) -> list[str]:
    return sorted(one["address"] for one in service.instances() if one["state"] == "Ready")


def test_the_gateway_tells_where_instances_are_also_while_the_hub_is_away(iris: Service, home: Path) -> None:
    assert [told(iris, path) for path in PATHS] == [addresses(iris)] * 2
    os.kill(json.loads((home / "hub.json").read_text())["pid"], signal.SIGKILL)
    assert told(iris)
    assert httpx.get(f"{gateway_of(iris)}{PATHS[0]}/nobody").status_code == 404
    with mlserve.Predictor(iris.endpoint, iris.token, direct=True) as predictor:
        assert predictor.predict(ROW)


def test_instances_check_every_kind_of_token_themselves(iris: Service, client: Client) -> None:
    address = addresses(iris)[0]

    def status(token: str = "", path: str = "/") -> int:
        headers = {"authorization": token} if token else {}
        return httpx.post(f"http://{address}{path}", json=ROW, headers=headers).status_code

    made = client.tokens.create(["iris"], expires=600)
    assert [status(each) for each in ("", "wrong", str(iris.token), made["token"])] == [401, 401, 200, 200]
    assert status(f"Bearer {iris.token}", "/api/predict/iris") == 200
    client.tokens.revoke(made["id"])
    assert status(made["token"]) == 401, "from the moment that revoking returns"
    (secret,) = [json.loads(each.read_text())["gateway"] for each in _home().glob("access/iris.json")]
    sent = {"authorization": "wrong", "x-mlserve-gateway": secret}
    assert httpx.post(iris.endpoint, json=ROW, headers=sent).status_code == 401, "the gateway looks by itself"
    sent = {"authorization": "EAS wrong", "x-mlserve-gateway": secret}
    assert httpx.post(iris.endpoint, json=ROW, headers=sent).status_code == 401, "and lets nobody say it was it"


def test_the_client_of_eas_signs_its_requests_through_the_gateway_and_directly(iris: Service) -> None:
    gateway, token = gateway_of(iris).removeprefix("http://"), str(iris.token)
    for kind in ("DEFAULT", "DIRECT"):
        said = eas_client.ask(gateway, "iris", token, ROW, type=kind, times=4)
        assert [status for status, _ in said] == [200] * 4, said
        assert "species" in said[0][1]
        (refused,) = eas_client.ask(gateway, "iris", "another", ROW, type=kind)
        assert (refused[0], "signature" in refused[1]) == (401, True)


def test_what_can_not_check_is_asked_directly_only_where_it_is_public(client: Client, tmp_path: Path) -> None:
    private = client.services.create(wish(tmp_path, "private")).wait(timeout=60)
    open_one = client.services.create(wish(tmp_path, "open"), set=["public=true"]).wait(timeout=60)
    with pytest.raises(InvalidInput, match='service "private" can\'t be asked directly: its instances check no tokens'):
        mlserve.Predictor("private", direct=True)
    with mlserve.Predictor("open", direct=True) as predictor:
        assert predictor.request("GET", "/x").status == 200
    assert told(open_one) == addresses(open_one)
    limit = "networking.gateway_policy.rate_limit.limit=100"
    client.services.create(wish(tmp_path, "held"), set=["public=true", limit]).wait(timeout=60)
    with pytest.raises(InvalidInput, match='service "held" can\'t be asked directly: only the gateway can'):
        mlserve.Predictor("held", direct=True)
    refused = httpx.post(private.endpoint, content=b"", headers={"authorization": "EAS x"})
    assert (refused.status_code, "signed requests" in refused.json()["error"]) == (401, True)


class Load:
    """Threads that ask all the time; what goes wrong is kept."""

    def __init__(self, predictor: mlserve.Predictor) -> None:
        self.predictor, self.done, self.failures = predictor, 0, list[str]()
        self._ends = threading.Event()

    def work(self) -> None:
        while not self._ends.is_set():
            try:
                self.predictor.predict(ROW)
            except mlserve.MlserveError as exc:
                self.failures.append(str(exc))
            self.done += 1
            time.sleep(0.01)
        self.predictor.close()

    def more(self, count: int = 50) -> None:
        wanted = self.done + count
        until(lambda: self.done >= wanted)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.work) for _ in range(4)]
        for each in threads:
            each.start()
        try:
            self.more()
            yield
            self.more()
        finally:
            self._ends.set()
            for each in threads:
                each.join(30)


def test_nothing_is_lost_while_instances_come_go_and_die_and_versions_change(iris: Service, home: Path) -> None:
    load = Load(mlserve.Predictor("iris", direct=True))
    with load.running():
        iris.scale(3).wait(timeout=60)
        iris.scale(1).wait(timeout=60)
        load.more()
        iris.scale(2).wait(timeout=60)
        load.more(400)  # both are known
        before = {one["id"]: one["restarts"] for one in iris.instances()}
        os.kill(next(one["pid"] for one in iris.instances() if one["state"] == "Ready"), signal.SIGKILL)
        load.more(100)
        until(lambda: len(addresses(iris)) == 2)
        assert {one["id"]: one["restarts"] for one in iris.instances()} != before
        iris.restart().wait(timeout=90)
        released = command("update", "iris", "--set", "metadata.cpu=0.2", "--strategy", "rolling", "--timeout", "90s")
        assert released.returncode == 0, released.stderr
        load.more(100)
        assert {one["version"] for one in iris.instances() if one["state"] == "Ready"} == {2}
    assert load.failures == []


def test_a_new_token_is_in_force_at_instances_that_run_on(iris: Service) -> None:
    with mlserve.Predictor("iris", direct=True) as old:
        assert old.predict(ROW)
        assert command("update", "iris", "--set", "token=another", "--timeout", "90s").returncode == 0
        with mlserve.Predictor("iris", "another", direct=True) as new:
            assert new.predict(ROW)
        with pytest.raises(Denied):
            old.predict(ROW)


def _home() -> Path:
    return Path(os.environ["MLSERVE_HOME"])
