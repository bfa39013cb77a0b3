"""A small instance under large bodies, and one whose processor hangs: real instances."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from runtime_kit import IRIS, processor, read_all, serving, until

HANGING = """
import time
class P:
    def predict(self, inputs):
        time.sleep(float(inputs["x"]))
        return {"y": 1}
"""


def test_bodies_take_a_quarter_of_the_memory_at_most(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), memory_mb=256, max_body=200 << 20) as instance:
        head = b"POST /eval HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        alone = instance.raw(head % (65 << 20))
        assert alone.startswith(b"HTTP/1.1 413")
        assert b"metadata.memory" in alone
        with instance.connect() as first, instance.connect() as second:
            first.sendall(head % (40 << 20) + b"{")
            until(lambda: b"503" in _refused(instance.connect(), head % (40 << 20)))
            second.sendall(head % (20 << 20) + b"{")
            first.close()
            until(lambda: not _refused(instance.connect(), head % (40 << 20)))
        assert instance.get("/v2/health/ready").status == 200


def _refused(client: socket.socket, sent: bytes) -> bytes:
    """What is said at once to a body that has only begun: nothing where it is welcome."""
    client.settimeout(0.2)
    with client:
        client.sendall(sent + b"{")
        try:
            return client.recv(4096)
        except TimeoutError:
            return b""


def test_json_that_would_fill_the_memory_is_413_with_the_reason(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), memory_mb=200, max_body=100 << 20) as instance:
        answer = instance.post("/eval", b'{"sepal_length":[' + b"[]," * 2_000_000 + b"[]]}")
        assert answer.status == 413
        assert "metadata.memory" in answer.json["error"]
        numbers = json.dumps({"sepal_length": [[1.5]] * 1000}).encode()
        assert instance.post("/eval", numbers).status == 400  # small enough to be looked at


def test_a_processor_that_hangs_is_not_ready_and_then_ended(tmp_path: Path) -> None:
    own = processor(tmp_path, HANGING)
    with serving(
        tmp_path, processor="python", processor_path=own, worker_threads=2, keepalive_ms=200, drain_seconds=1
    ) as instance:
        clients = []
        for _ in range(2):
            clients.append(instance.connect())
            body = b'{"x": 60}'
            clients[-1].sendall(
                b"POST /eval HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )
        assert all(read_all(client).startswith(b"HTTP/1.1 504") for client in clients)
        until(lambda: instance.get("/v2/health/ready").status == 503, instance)
        assert instance.get("/v2/health/live").status == 200
        begun = time.monotonic()
        assert instance.process.wait(30) == 71
        assert time.monotonic() - begun < 20
        assert "health=hung" in instance.log


def test_slots_that_come_back_make_it_ready_again(tmp_path: Path) -> None:
    own = processor(tmp_path, HANGING)
    with serving(tmp_path, processor="python", processor_path=own, worker_threads=1, keepalive_ms=200) as instance:
        assert instance.post("/eval", {"x": 3}).status == 504
        until(lambda: instance.get("/v2/health/ready").status == 503, instance)
        until(lambda: instance.get("/v2/health/ready").status == 200, instance)
        assert instance.post("/eval", {"x": 0}).status == 200
