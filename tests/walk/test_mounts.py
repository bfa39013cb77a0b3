"""A service whose program, input and output are in a bucket, on a real engine and a real S3 service."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import httpx
import pytest

from mlserve.client import Client, Service
from mlserve.errors import InvalidDescriptor
from tests.docker_engine import BASE, Engine
from tests.s3_server import s3_client
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)

PROGRAM = '''
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    """GET /path answers a file or folder, PUT /path writes one."""

    def do_GET(self):
        place = Path(self.path)
        self.answer(sorted(os.listdir(place)) if place.is_dir() else place.read_text())

    def do_PUT(self):
        place, text = Path(self.path), self.rfile.read(int(self.headers["content-length"]))
        try:
            place.write_bytes(text)
        except OSError as error:
            self.answer(error.strerror)
        else:
            self.answer("written")

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
'''
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def box(client: Client, docker_engine: Engine, emptied: None) -> Client:
    """A hub with a resource group ``box``: the engine, and who may use the bucket."""
    client.resources.add("box", "docker", {"host": docker_engine.host}, credentials=CREDENTIALS)
    return client


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """The endpoint of a service whose bucket has the program and what it reads."""
    objects = {"code/app.py": PROGRAM, "data/deep/a.txt": "seven", "data/b.txt": "eight", "out/old.txt": "old"}
    for name, text in objects.items():
        s3_client(s3_endpoint).put_object(Bucket="models", Key=f"walk/{name}", Body=text.encode())
    return s3_endpoint


def wish(endpoint: str, **fields: Any) -> dict[str, Any]:
    def source(folder: str, *, read_only: bool) -> dict[str, Any]:
        return {"s3": {"path": f"s3://models/walk/{folder}", "readOnly": read_only, "endpoint": endpoint}}

    return {
        "name": "reader",
        "containers": [{"image": BASE, "command": "python3 /code/app.py", "port": 8000}],
        "storage": [
            {"mount_path": "/code", **source("code", read_only=True)},
            {"mount_path": "/in", **source("data/", read_only=True)},
            {"mount_path": "/out", **source("out", read_only=False)},
            {"mount_path": "/fresh", **source("nothing-yet", read_only=False)},
            {"mount_path": "/ssl", "image": {"image": BASE, "path": "/etc/ssl"}},
            {"mount_path": "/scratch", "empty_dir": {}},
            {"mount_path": "/dev/shm", "empty_dir": {"medium": "memory", "size_limit": 0.01}},
        ],
        "metadata": {"instance": 1, "cpu": 0.5, "memory": 256, "resource": "box"},
        **fields,
    }


def asked(service: Service, method: str, path: str, **options: Any) -> Any:
    headers = {"authorization": service.token}
    answer = httpx.request(method, f"{service.endpoint}{path}", headers=headers, timeout=20, **options)
    return answer.raise_for_status().json()


def stored(endpoint: str, key: str) -> str | None:
    client = s3_client(endpoint)
    found = client.list_objects_v2(Bucket="models", Prefix=f"walk/{key}").get("Contents", ())
    if not found:
        return None
    text: str = client.get_object(Bucket="models", Key=f"walk/{key}")["Body"].read().decode()
    return text


def volumes(engine: Engine) -> list[str]:
    with closing(engine.client()) as client:
        return [volume.name for volume in client.volumes.list(filters={"label": "mlserve.volume"})]


def test_a_program_from_a_bucket_reads_its_files_there_and_its_results_come_back(
    box: Client, bucket: str, docker_engine: Engine
) -> None:
    others = set(volumes(docker_engine))
    service = box.services.create(wish(bucket)).wait(timeout=120)
    assert asked(service, "GET", "/in") == ["b.txt", "deep"]
    assert asked(service, "GET", "/in/deep/a.txt") == "seven"
    assert asked(service, "GET", "/out") == ["old.txt"]
    assert asked(service, "GET", "/fresh") == []
    assert "openssl.cnf" in asked(service, "GET", "/ssl")
    assert asked(service, "PUT", "/in/b.txt", content="other") == "Read-only file system"
    for place in ("/out/new.txt", "/out/old.txt", "/fresh/first.txt", "/scratch/a", "/dev/shm/a"):
        assert asked(service, "PUT", place, content="written here") == "written", place
    made = set(volumes(docker_engine)) - others
    service.stop().wait(timeout=60)
    until(lambda: stored(bucket, "out/new.txt"))
    assert stored(bucket, "out/old.txt") == "written here"
    until(lambda: stored(bucket, "nothing-yet/first.txt"))
    assert stored(bucket, "data/b.txt") == "eight"
    service.start().wait(timeout=60)
    assert asked(service, "GET", "/out") == ["new.txt", "old.txt"]
    assert asked(service, "GET", "/scratch") == [], "another instance"
    assert asked(service, "PUT", "/out/last.txt", content="last words") == "written"
    service.delete()
    until(lambda: stored(bucket, "out/last.txt"))
    assert stored(bucket, "out/last.txt") == "last words"
    until(lambda: not made & set(volumes(docker_engine)))
    assert len(made) == 6, "one for each source and the scratch space"


def test_mounts_that_cannot_be_are_told_before_anything_starts(box: Client, bucket: str) -> None:
    missing = wish(bucket)
    missing["storage"] = [{"mount_path": "/in", "dataset": {"id": "d-1"}}, {"mount_path": "relative", "empty_dir": {}}]
    with pytest.raises(InvalidDescriptor) as caught:
        box.services.create(missing)
    assert {detail["pointer"] for detail in caught.value.details} == {
        "/storage/0/dataset",
        "/storage/1/mount_path",
    }
    local = wish(bucket, metadata={"instance": 1, "cpu": 0.1, "memory": 64})
    with pytest.raises(InvalidDescriptor) as caught:
        box.services.create(local)
    assert "/storage" in {detail["pointer"] for detail in caught.value.details}
    assert "box" in caught.value.hint
