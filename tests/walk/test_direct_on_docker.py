"""Containers of our runtime know who may ask them, and hear of changes while they run."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import mlserve
from mlserve.client import Client
from tests import eas_client
from tests.docker_engine import Engine
from tests.unit.runtime_kit import IRIS, ROW, until
from tests.walk.test_cli import mlserve as command
from tests.walk.test_direct import addresses, gateway_of, told


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_containers_check_every_kind_of_token_and_learn_what_changes(
    box: Client, docker_engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "service.json"
    wished = {"name": "iris", "processor": "onnx", "model_path": str(IRIS)}
    file.write_text(json.dumps({**wished, "metadata": {"instance": 1, "cpu": 0.5, "memory": 512, "resource": "box"}}))
    iris = box.services.create(file).wait(timeout=300)
    (address,) = addresses(iris)
    assert told(iris) == [address], "the gateway tells where it is"
    assert iris.predict(ROW), "the gateway is known"

    def status(token: str = "", at: str = address) -> int:
        headers = {"authorization": token} if token else {}
        return httpx.post(f"http://{at}/", json=ROW, headers=headers).status_code

    made = box.tokens.create(["iris"], expires=600)
    assert [status(each) for each in ("", "wrong", str(iris.token), made["token"])] == [401, 401, 200, 200]
    box.tokens.revoke(made["id"])
    assert status(made["token"]) == 401, "from the moment that revoking returns"
    said = eas_client.ask(gateway_of(iris).removeprefix("http://"), "iris", str(iris.token), ROW, type="DIRECT")
    assert [code for code, _ in said] == [200], said
    with mlserve.Predictor("iris", direct=True) as predictor:
        assert predictor.predict(ROW)
        iris.scale(2).wait(timeout=120)
        until(lambda: len(told(iris)) == 2, seconds=60)
        (other,) = set(addresses(iris)) - {address}
        assert status(made["token"], other) == 401, "nor does it open what starts later"
        _restart_all(docker_engine)
        until(lambda: len(told(iris)) == 2 and not {address, other} & set(told(iris)), seconds=90)
        assert predictor.predict(ROW)
    assert command("hub", "stop").returncode == 0
    again = box.tokens.create(["iris"], expires=600)["token"]
    assert [status(again, at) for at in told(iris)] == [200, 200], "what they know is still so under the next hub"
    assert command("token", "rotate", "--remove-old", "-y").returncode == 0
    assert [status(again, at) for at in told(iris)] == [401, 401]
    assert command("delete", "iris", "-y").returncode == 0
    with closing(docker_engine.client()) as engine:
        assert not engine.volumes.list(filters={"label": "mlserve.service=iris"})


def _restart_all(engine: Engine) -> None:
    with closing(engine.client()) as client:
        for container in client.containers.list(ignore_removed=True, filters={"label": "mlserve.service=iris"}):
            container.restart(timeout=5)
