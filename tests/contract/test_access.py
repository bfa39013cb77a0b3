"""A real instance that checks who asks: over HTTP/1.1, HTTP/2, gRPC and WebSocket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.grpc as triton
from tests.unit import jwt_kit as kit
from tests.unit.runtime_kit import IRIS, ROW, Running, processor, serving
from tests.unit.test_runtime_access import OURS, SECRET, TOKEN, signature, tell
from tritonclient.utils import InferenceServerException
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

GATEWAY = {"x-mlserve-gateway": SECRET}
ASKED = json.dumps(ROW).encode()
SEEN = """
class Plain:
    def load(self):
        self.ready = True

    def predict(self, payload, headers=None):
        return {"predictions": sorted(headers)}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def iris(folder: Path) -> Iterator[Running]:
    with serving(folder, model_path=str(IRIS), access=str(tell(folder))) as instance:
        yield instance


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def ask(iris: Running, request: Any) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{iris.port}", http2=request.param, http1=not request.param, timeout=20
    ) as made:
        yield made


def status(ask: httpx.Client, path: str = "/", headers: dict[str, str] | None = None) -> int:
    return ask.post(path, content=ASKED, headers=headers).status_code


def test_a_token_a_jwt_a_signature_or_the_gateway_opens_it(ask: httpx.Client) -> None:
    issued = kit.token(OURS, "k1", "iris")
    made = signature(body=ASKED)
    signed = {name.replace("_", "-"): value for name, value in made.items()} | {
        "content-type": "application/octet-stream"
    }
    for headers in ({"authorization": TOKEN}, {"authorization": f"Bearer {issued}"}, GATEWAY, signed):
        assert [status(ask, path, headers) for path in ("/", "/api/predict/iris", "/api/predict/iris/")] == [200] * 3
    for wrong in ({}, {"authorization": "x"}, {"x-mlserve-gateway": "x"}, signed | {"content-md5": "0"}):
        assert [status(ask, path, wrong) for path in ("/", "/api/predict/iris", "/nowhere")] == [401] * 3
    told = ask.post("/", content=ASKED)
    assert (told.json()["code"], told.headers["www-authenticate"]) == ("denied", "Bearer")
    assert status(ask, headers={"authorization": kit.token(OURS, "k1", "wine")}) == 403


def test_health_is_told_to_anybody(ask: httpx.Client) -> None:
    assert [ask.get(f"/v2/health/{each}").status_code for each in ("live", "ready")] == [200, 200]
    assert [ask.get(path).status_code for path in ("/docs", "/metrics", "/describe")] == [200, 401, 401]
    assert ask.get("/api/predict/iris/describe", headers={"authorization": TOKEN}).json()["inputs"]


def test_it_says_that_it_checks(iris: Running) -> None:
    assert iris.facts["checks_tokens"] is True
    assert SECRET not in iris.log
    assert TOKEN not in iris.log


def test_calls_of_grpc_bring_a_token_too(iris: Running) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{iris.port}") as client:
        for headers in ({"authorization": TOKEN}, {"authorization": kit.token(OURS, "k1", "*")}, GATEWAY):
            assert client.is_model_ready("iris", headers=headers)
        for wrong, code in ((None, "UNAUTHENTICATED"), ({"authorization": kit.token(OURS, "k1", "x")}, "PERMISSION")):
            with pytest.raises(InferenceServerException, match=code):
                client.get_model_metadata("iris", headers=wrong)


def test_a_websocket_brings_a_token_too(iris: Running) -> None:
    for path in ("/ws", "/api/predict/iris/ws"):
        with connect(f"ws://127.0.0.1:{iris.port}{path}", additional_headers={"authorization": TOKEN}) as socket:
            socket.send(json.dumps(ROW))
            assert "error" not in json.loads(socket.recv(timeout=10))
        with pytest.raises(InvalidStatus, match="401"):
            connect(f"ws://127.0.0.1:{iris.port}{path}")


def test_what_the_gateway_is_known_by_stays_with_the_instance(tmp_path: Path) -> None:
    entry = {"processor_path": processor(tmp_path, SEEN), "processor_entry": "processor.py:Plain"}
    with serving(tmp_path, service="own", processor="python", access=str(tell(tmp_path)), **entry) as instance:
        for http2 in (False, True):
            with httpx.Client(http2=http2, http1=not http2) as ask:
                answer = ask.post(
                    f"http://127.0.0.1:{instance.port}/v1/models/own:predict",
                    json={"instances": [[1]]}, headers=GATEWAY | {"x-who": "me"},
                )  # fmt: skip
                assert answer.status_code == 200, answer.text
                assert "x-who" in answer.json()["predictions"]
                assert not [name for name in answer.json()["predictions"] if "gateway" in name]


def test_one_that_drains_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS)) as instance, httpx.Client() as ask:
        url = f"http://127.0.0.1:{instance.port}/"
        assert "x-mlserve-draining" not in ask.post(url, content=ASKED).headers
        os.kill(instance.process.pid, 15)
        answer = ask.post(url, content=ASKED)
        while "x-mlserve-draining" not in answer.headers:
            answer = ask.post(url, content=ASKED)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert instance.process.wait(20) == 0


def test_one_that_was_told_of_no_file_answers_everybody(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS)) as instance:
        assert instance.post("/api/predict/iris", ROW).status == 200
        assert "checks_tokens" not in instance.facts
