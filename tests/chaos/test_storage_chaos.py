"""What a service is fetched from goes away, or the disk fills, while it starts; what runs already does not notice."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.chaos.line import Line, line
from tests.chaos.load import Load
from tests.docker_engine.parts import need
from tests.s3_server import s3_client
from tests.waiting import until

from mlserve.client import Client, Service
from mlserve.errors import StartFailed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROW = json.dumps({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}).encode()
PADDING = 24 * 2**20
DEADLINE = 60.0
"""Seconds: far less than the minutes that S3 clients take by themselves."""
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def stored(s3_endpoint: str) -> str:
    """A program with much beside it, stored on S3 as one archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in {"app.py": SERVER.encode(), "padding": os.urandom(PADDING)}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    s3_client(s3_endpoint).put_object(Bucket="models", Key="far.tar", Body=archive.getvalue())
    return s3_endpoint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The place of ``home`` is a disk of its own, with room for what is to be fetched and little more."""
    need("a disk of its own")
    folder = tmp_path / "home"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "mlserve-tests", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def beside(client: Client, iris: Path) -> Service:
    """A service that runs all the while."""
    return client.services.create(iris, set=["metadata.memory=256"]).wait()


@pytest.mark.parametrize("trouble", [Line.cut, Line.hang])
def test_s3_that_goes_away_during_a_start_is_named_inside_the_deadline(
    s3_keys: None, client: Client, beside: Service, stored: str, trouble: Callable[[Line], None]
) -> None:
    with line(stored, 4e6) as slow, under_load(beside) as load:
        far = fetched(client, slow.endpoint)
        until(lambda: slow.passed > PADDING / 8)
        began = time.monotonic()
        trouble(slow)
        with pytest.raises(StartFailed):
            far.wait(DEADLINE)
        assert time.monotonic() - began < DEADLINE
        said = json.dumps(far.why())
        assert "s3://models/far.tar" in said
        assert slow.endpoint in said, "the endpoint is what is away"
        assert "secret" not in said
    assert load.failed() == []


def test_a_disk_that_fills_while_fetching_is_named_and_frees_what_was_fetched(
    s3_keys: None, small_disk: Path, client: Client, beside: Service, stored: str
) -> None:
    with line(stored, 4e6) as slow, under_load(beside) as load:
        far = fetched(client, slow.endpoint)
        until(lambda: slow.passed > PADDING / 8)
        filler = fill(small_disk)
        with pytest.raises(StartFailed):
            far.wait(DEADLINE)
        filler.unlink()
        assert "disk" in json.dumps(far.why())
        far.start().wait(DEADLINE)
        assert far.status == "Running"
    assert load.failed() == []


@pytest.fixture
def s3_keys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment of the hub, as its user would set them."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "OSS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def fetched(client: Client, endpoint: str) -> Service:
    """A service whose program comes from S3."""
    descriptor = {"name": "far", "processor_path": "s3://models/far.tar", "oss_endpoint": endpoint}
    program = {"command": "python app.py $PORT", "metadata": {"instance": 1, "memory": 128}}
    return client.services.create({**descriptor, **program})


def under_load(service: Service) -> Load:
    return Load(service.endpoint, service.token or "", ROW, connections=4, pause=0.02, limit=120)


def fill(disk: Path) -> Path:
    """A file that takes all there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(2**16)):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk never filled")
