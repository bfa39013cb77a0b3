"""A service in a container asks another one by the address at which its group reaches the gateway."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from mlserve import connect
from mlserve.errors import InvalidDescriptor
from tests.docker_engine import Engine
from tests.walk.release_kit import descriptor
from tests.walk.test_release_verbs import mlserve

APP = """
import http.server, json, os, signal, urllib.error, urllib.request

class Asks(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.load(open(os.environ["MLSERVE_CALLS"]))
        name = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {"authorization": said["token"]}
        try:
            asked = urllib.request.Request(f"{said['gateway']}/api/predict/{name}", b"{}", headers)
            body = urllib.request.urlopen(asked, timeout=20).read()
        except urllib.error.HTTPError as error:
            body = str(error.code).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Asks).serve_forever()
"""


def asker(folder: Path) -> Path:
    code = folder / "asker"
    code.mkdir()
    (code / "app.py").write_text(APP)
    path = folder / "asker.json"
    wished = {"cpu": 0.1, "memory": 64, "resource": "box", "eas.termination_grace_period": 5}
    written = {"name": "asker", "command": "python3 app.py $PORT", "processor_path": str(code), "calls": ["shop"]}
    path.write_text(json.dumps({**written, "metadata": wished}))
    return path


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_container_asks_the_services_it_names(
    docker_engine: Engine, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(docker_engine.network.addresses[1])
    monkeypatch.setenv("MLSERVE_GATEWAY", f"{address}:0")
    with connect() as client:
        client.resources.add("box", "docker", {"host": docker_engine.host})
        for name in ("shop", "other"):
            client.services.create(descriptor(tmp_path, name, name=name)).wait(timeout=90)
        service = client.services.create(asker(tmp_path)).wait(timeout=200)

        def said(who: str) -> str:
            asked = Request(service.endpoint, who.encode(), {"Authorization": str(service.token)})
            with urlopen(asked, timeout=30) as answer:
                return str(answer.read().decode())

        assert service.endpoint.startswith(f"http://{address}:")
        assert [said(who) for who in ("shop", "other")] == ["shop", "403"]
        token = json.loads((home / "calls" / "asker@1.json").read_text())["token"]
        with closing(docker_engine.client()) as engine:
            for one in engine.containers.list(ignore_removed=True, filters={"label": "mlserve.service=asker"}):
                assert token not in json.dumps(one.attrs), "nobody who lists containers reads it"
        assert mlserve("token", "rotate", "--remove-old", "-y")[0] == 0
        assert said("shop") == "shop", "the running container was brought another token"
        service.delete()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_can_not_reach_the_gateway_is_refused(docker_engine: Engine, home: Path, tmp_path: Path) -> None:
    with connect() as client:
        client.resources.add("box", "docker", {"host": docker_engine.host})
        with pytest.raises(InvalidDescriptor, match="can't reach the gateway") as caught:
            client.services.create(asker(tmp_path))
        assert caught.value.details[0]["pointer"] == "/calls"
        report = client.validate(tmp_path / "asker.json", fetch=False)
        assert [one["pointer"] for one in report["errors"]] == ["/calls"]
