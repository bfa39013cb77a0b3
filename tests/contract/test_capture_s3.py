"""Captured requests in a real S3 service."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.s3_server import s3_client

from mlserve.runtime.observe.capture_s3 import CaptureS3


@pytest.fixture
def credentials(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    allowed(monkeypatch, s3_endpoint)
    return s3_endpoint


def allowed(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def lines_below(endpoint: str, prefix: str) -> list[str]:
    client = s3_client(endpoint)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="models", Prefix=prefix).get("Contents", ())]
    bodies = [client.get_object(Bucket="models", Key=key)["Body"].read().decode() for key in sorted(keys)]
    return [json.loads(line)["id"] for body in bodies for line in body.splitlines()]


def test_lines_come_to_the_bucket_after_a_while_and_at_the_end(credentials: str) -> None:
    place = CaptureS3("s3://models/seen/", "iris", 3, age=0.2)
    place.write(b'{"id": "a"}\n')
    place.tick()
    assert lines_below(credentials, "seen/iris/v3/") == []
    time.sleep(0.25)  # its age, which is what is tested
    place.tick()
    assert lines_below(credentials, "seen/iris/v3/") == ["a"]
    place.write(b'{"id": "b"}\n')
    place.write(b'{"id": "c"}\n')
    place.close()
    assert lines_below(credentials, "seen/iris/v3/") == ["a", "b", "c"]


def test_what_could_not_be_sent_is_kept_and_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[bytes] = []

    class Busy(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            came.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(403 if len(came) == 1 else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        allowed(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        place = CaptureS3("s3://models/later", "iris", 3, age=0)
        place.write(b"1\n")
        with pytest.raises(Exception, match="403"):
            place.tick()
        place.write(b"2\n")
        place.tick()
        server.shutdown()
    assert [b"1\n2\n" in body for body in came] == [False, True]


def test_what_can_never_be_sent_does_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed(monkeypatch, "http://127.0.0.1:9")
    place = CaptureS3("s3://models/never", "iris", 3)
    for _ in range(33):
        place.write(b"x" * (1 << 20))
    with pytest.raises(OSError, match="more are not kept"):
        place.write(b"x")
