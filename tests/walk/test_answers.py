"""Answers that are compared, for real: a new version that answers wrongly with 200 is found out, and nobody waits."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlserve.client import Client, Service
from mlserve.errors import UpdateFailed
from tests.chaos.load import Load
from tests.waiting import until
from tests.walk.test_release_verbs import mlserve, shown

pytestmark = pytest.mark.timeout(240)
LIMIT = 90
ROW = b'{"x": [[0.5]]}'
GATES = {"max_different_percent": 5, "min_requests": 20}
CANARY = {"steps": [{"weight": 20, "pause": "1s"}], "gates": GATES, "keep": "1s"}

PROGRAM = """
import json, os, signal, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.say({"well": True})

    def do_POST(self):
        x = json.loads(self.rfile.read(int(self.headers["content-length"])))["x"][0][0]
        self.say({"label": os.environ["LABEL"], "score": x + float(os.environ["NOISE"]), "at": time.time()})

    def say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 128

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MODEL = """
import os

import numpy as np

class Model:
    def metadata(self):
        return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}]}

    def predict(self, inputs):
        score = inputs["x"].astype("float64") + float(os.environ["NOISE"])
        return {"label": np.array([os.environ["LABEL"]] * len(score)), "score": score}
"""


def written(folder: Path, file: str, name: str, **more: Any) -> Path:
    """``more``: the engine's own words and those of the release."""
    metadata = {"instance": 1, "cpu": 0.1, "memory": 256, "eas.termination_grace_period": 5}
    path = folder / f"{file}.json"
    path.write_text(json.dumps({"name": name, "metadata": metadata, **more}))
    return path


def told(label: str, noise: float) -> list[dict[str, str]]:
    """The environment of either."""
    return [{"name": "LABEL", "value": label}, {"name": "NOISE", "value": str(noise)}]


def program(folder: Path, file: str, label: str, noise: float = 0.0, *, name: str = "shop", **more: Any) -> Path:
    """A server of the user's own."""
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / "app.py").write_text(PROGRAM)
    own = {"command": f"{sys.executable} app.py $PORT", "processor_path": str(code), "env": told(label, noise)}
    return written(folder, file, name, **own, **more)


def processor(folder: Path, file: str, label: str, noise: float = 0.0, *, name: str = "shop", **more: Any) -> Path:
    """Our own runtime."""
    code = folder / "model"
    code.mkdir(exist_ok=True)
    (code / "model.py").write_text(MODEL)
    own = {"processor_type": "python", "processor_path": str(code), "processor_entry": "model.py:Model"}
    return written(folder, file, name, **own, processor_envs=told(label, noise), **more)


def load(service: Service) -> Load:
    return Load(service.endpoint, service.token, ROW, connections=2, pause=0.02)


@pytest.mark.parametrize("engine", [program, processor])
def test_a_canary_that_answers_wrongly_is_rolled_back_and_noise_is_not(
    client: Client, tmp_path: Path, engine: Callable[..., Path]
) -> None:
    service = client.services.create(engine(tmp_path, "one", "cat")).wait(timeout=LIMIT)
    gates = {**GATES, "ignore": ["at"]}
    with load(service) as sent:
        service.update(engine(tmp_path, "bad", "dog", release={**CANARY, "gates": gates}))

        def given_up() -> bool:
            assert "cat" in str(service.predict({"x": [[0.5]]})), "nobody is ever answered by the new version"
            return bool(service.releases.status()["release"]["state"] == "failed")

        until(given_up, LIMIT)
        with pytest.raises(UpdateFailed, match="answers differ from the old version's, at most 5 % may be"):
            service.wait(timeout=LIMIT)
        assert service.reload().version == 1
        noisy = engine(tmp_path, "noisy", "cat", 1e-5, release={**CANARY, "gates": gates})
        assert service.update(noisy).wait(timeout=LIMIT).version == 3
    assert sent.failed() == []
    found = service.releases.status()["release"]["answers"]
    assert (found["different"], found["compared"] >= 20) == (0, True)
    assert found["largest"] == pytest.approx(1e-5, rel=0.1)
    (story,) = service.why()
    assert "'cat' → 'dog'" in story["answers"][0]
    assert "label" in story["answers"][0]


def test_a_release_that_answers_wrongly_ends_with_9_and_says_how(home: Path, tmp_path: Path) -> None:
    assert mlserve("create", program(tmp_path, "one", "cat"))[0] == 0
    gates = {"gates": {**GATES, "ignore": ["/at"]}}
    with load(_service()) as sent:
        code, _, err = mlserve("update", "shop", program(tmp_path, "bad", "dog", release=gates))
        assert (code, "'cat' → 'dog'" in err) == (9, True), err
    assert sent.failed() == []
    code, out, _ = mlserve("release", "status", "shop")
    assert (code, "other answers at most 5 %" in out, "with another label" in out, "/label" in out) == (0, *[True] * 3)
    code, out, _ = mlserve("why", "shop")
    assert (code, "differs   request " in out, "/label 'cat' → 'dog'" in out) == (0, True, True)
    alone = program(tmp_path, "alone", "cat", release=gates, retry=False)
    code, _, err = mlserve("validate", alone)
    assert (code, "/release/gates/max_different_percent" in err) == (2, True), err


def test_a_gate_that_nobody_feeds_ends_by_its_limit(client: Client, tmp_path: Path) -> None:
    service = client.services.create(program(tmp_path, "one", "cat")).wait(timeout=LIMIT)
    release = {"gates": {"max_different_percent": 5, "min_requests": 1}, "timeout": "1s"}
    service.update(program(tmp_path, "two", "cat", release=release))
    with pytest.raises(UpdateFailed, match="its gates could not be judged"):
        service.wait(timeout=LIMIT)
    assert service.reload().version == 1


def test_a_hub_killed_while_it_compares_is_followed_by_one_that_begins_to_compare_anew(
    client: Client, home: Path, tmp_path: Path
) -> None:
    service = client.services.create(program(tmp_path, "one", "cat")).wait(timeout=LIMIT)
    gates = {**GATES, "min_requests": 80, "ignore": ["at"]}
    with load(service) as sent:
        service.update(program(tmp_path, "two", "cat", release={**CANARY, "gates": gates}))
        until(lambda: (service.releases.status()["release"]["answers"] or {"compared": 0})["compared"], 60)
        assert [side["weight"] for side in service.releases.status()["release"]["versions"]] == [100, 0]
        os.kill(json.loads((home / "hub.json").read_text())["pid"], signal.SIGKILL)
        service = _service()
        until(lambda: service.releases.status()["release"]["state"] == "done", 90)
    assert service.releases.status()["release"]["answers"]["compared"] >= 80
    assert sent.failed() == []


def test_requests_by_way_of_a_group_are_compared_as_well(client: Client, tmp_path: Path) -> None:
    member = {"metadata": {"instance": 1, "cpu": 0.1, "memory": 256, "group": "pets"}}
    service = client.services.create(processor(tmp_path, "one", "cat", **member)).wait(timeout=LIMIT)
    group = shown("describe", "pets")
    with Load(group["endpoint"], group["token"], ROW, connections=2, pause=0.02) as sent:
        service.update(processor(tmp_path, "bad", "dog", release=CANARY, **member))
        with pytest.raises(UpdateFailed, match="answers differ from the old version's"):
            service.wait(timeout=LIMIT)
        assert service.update(processor(tmp_path, "two", "cat", release=CANARY, **member)).wait(timeout=LIMIT)
    assert sent.failed() == []
    assert service.releases.status()["release"]["answers"]["different"] == 0


def test_a_mirror_tells_how_its_answers_differ_and_who_asks_sees_nothing_of_it(home: Path, tmp_path: Path) -> None:
    assert mlserve("create", program(tmp_path, "one", "cat", release={"gates": {"ignore": ["at"]}}))[0] == 0
    assert mlserve("create", processor(tmp_path, "next", "dog", 0.25, name="next"))[0] == 0
    assert "no mirror" in mlserve("mirror", "shop")[1]
    with load(_service()) as sent:
        assert mlserve("mirror", "shop", "--to", "next")[0] == 0

        def seen() -> Any:
            return shown("mirror", "shop")["mirror"]["answers"] or {"compared": 0}

        until(lambda: seen()["compared"] >= 5, 60)
    assert sent.failed() == []
    found = seen()
    assert found["different"] == found["compared"]
    assert {one["request"] for one in found["examples"]} != {""}
    code, out, _ = mlserve("mirror", "shop")
    assert (code, "100 % of the requests to next" in out, "different (100 %)" in out) == (0, True, True)
    assert mlserve("mirror", "shop", "--off")[0] == 0


def _service() -> Service:
    import mlserve

    return mlserve.connect().services.get("shop")
