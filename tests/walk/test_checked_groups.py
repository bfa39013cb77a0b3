"""Groups, fallbacks and mirrors of services whose instances check tokens themselves: the gateway opens all of them."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mlserve import Predictor
from mlserve.client import Client, Service
from mlserve.errors import InvalidInput
from tests.unit.runtime_kit import IRIS, ROW, until
from tests.walk.test_cli import document, mlserve

pytestmark = pytest.mark.timeout(300)


def made(client: Client, folder: Path, name: str, **more: object) -> Service:
    """A model served by our runtime; ``group`` in ``more`` is its group."""
    metadata = {"instance": 1, "cpu": 0.1, **({"group": more.pop("group")} if "group" in more else {})}
    file = folder / f"{name}.json"
    file.write_text(
        json.dumps({"name": name, "processor": "onnx", "model_path": str(IRIS), "metadata": metadata, **more})
    )
    return client.services.create(file).wait(timeout=90)


class Asking:
    """One client that asks all the time, and what it was answered."""

    def __init__(self, endpoint: str, token: str, **headers: str) -> None:
        self._endpoint, self._headers = endpoint, {"authorization": token, **headers}
        self.statuses: list[int] = []
        self.by: set[str] = set()
        self._ends = threading.Event()

    def work(self) -> None:
        with httpx.Client(headers=self._headers, timeout=30) as http:
            while not self._ends.wait(0.005):
                answer = http.post(self._endpoint, json=ROW)
                self.statuses.append(answer.status_code)
                self.by.add(answer.headers["x-mlserve-served-by"].partition("/")[0])

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.work)
        thread.start()
        try:
            until(lambda: len(self.statuses) > 20, seconds=30)
            yield
            seen = len(self.statuses)
            until(lambda: len(self.statuses) > seen + 20, seconds=30)
        finally:
            self._ends.set()
            thread.join(60)


def test_whoever_joins_or_leaves_a_group_knows_its_requests_from_the_first_to_the_last(
    client: Client, tmp_path: Path
) -> None:
    made(client, tmp_path, "blue", group="shop")
    shop = document("describe", "shop")
    asking = Asking(shop["endpoint"], shop["token"])
    with asking.running():
        made(client, tmp_path, "green", group="shop")
        until(lambda: asking.by == {"blue", "green"}, seconds=60)
        assert mlserve("traffic", "shop", "blue=0", "green=100").returncode == 0
        assert mlserve("traffic", "shop", "--auto").returncode == 0
        assert mlserve("delete", "blue", "-y").returncode == 0
    assert set(asking.statuses) == {200}
    with pytest.raises(InvalidInput, match="it is a service group: ask one of its members"):
        Predictor(shop["endpoint"], shop["token"], direct=True)
    named = httpx.post(
        shop["endpoint"], json=ROW, headers={"authorization": shop["token"], "x-mlserve-service": "green"}
    )
    assert named.status_code == 200


def test_a_fallback_and_a_mirror_take_what_the_gateway_sends_them_for_another(client: Client, tmp_path: Path) -> None:
    made(client, tmp_path, "lite")
    made(client, tmp_path, "next")
    heavy = made(client, tmp_path, "heavy", fallback={"service": "lite"})
    assert mlserve("mirror", "heavy", "--to", "next", "--percent", "100").returncode == 0
    asking = Asking(heavy.endpoint, str(heavy.token))
    with asking.running():
        for one in heavy.instances():
            os.kill(one["pid"], signal.SIGKILL)
        until(lambda: "lite" in asking.by, seconds=60)
    assert set(asking.statuses) == {200}
    until(lambda: document("describe", "heavy")["mirror"]["sent"] > 20, seconds=60)
    assert document("describe", "heavy")["mirror"]["failed"] == 0, "copies are let in as well"
