"""Files that change where nobody sends them from: behind an address, or in place."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlserve.client import Client


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it is asked."""

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def folder(iris: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(iris.parent / "iris.onnx", folder)
    return folder


@pytest.fixture(params=["http", "file"])
def address(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{folder}/iris.onnx"
        return
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/iris.onnx"
        server.shutdown()


def test_a_file_that_changed_behind_the_same_address_is_a_new_version(
    client: Client, address: str, folder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "service.json"
    metadata = {"instance": 1, "cpu": 0.1, "memory": 256}
    own.write_text(json.dumps({"name": "iris", "processor": "onnx", "model_path": address, "metadata": metadata}))
    service = client.services.create(own).wait(timeout=60)
    assert client.services.plan(own).action == "nothing"
    service.update(own).wait(timeout=60)
    assert service.version == 1

    model = folder / "iris.onnx"
    model.write_bytes(model.read_bytes() + b"\x32\x00")  # an empty doc string: other bytes, the same model
    service.update(set=["metadata.instance=2"]).wait(timeout=60)
    assert (service.version, len(service.instances())) == (1, 2), "what is set is all that is asked for"
    plan = client.services.plan(own)
    assert (plan.action, [change["applies"] for change in plan.changes]) == ("update", ["live"])
    assert [change["pointer"] for change in plan.content] == ["/model_path"]
    service.update(own).wait(timeout=60)
    newest, first = service.versions()
    assert (service.version, newest["state"]) == (2, "serving")
    assert newest["digests"]["model"] != first["digests"]["model"]
