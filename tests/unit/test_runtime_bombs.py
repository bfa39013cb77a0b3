"""Little that is sent and would become much: a small instance refuses it, and its memory shows nothing of it."""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from http2_kit import BLOCK, CALL, Wire
from PIL import Image
from runtime_kit import IRIS, Running, processor, serving, until
from websockets.sync.client import connect

from mlserve.errors import InvalidInput
from mlserve.runtime.grpc.framing import Unframer
from mlserve.runtime.grpc.wire import Malformed, split
from mlserve.runtime.http.pieces import Pieces
from mlserve.runtime.http2 import frames
from mlserve.runtime.observe.realtime import told
from mlserve.runtime.observe.user_metrics import UserMetrics

TEXTS = """
class Texts:
    def metadata(self):
        return {"inputs": [{"name": "t", "type": "BYTES", "shape": [-1]}], "outputs": []}

    def predict(self, inputs):
        return {"n": len(inputs["t"])}
"""
PICTURES = """
class Pictures:
    def metadata(self):
        return {"inputs": [{"name": "x", "type": "FP32", "shape": [-1, 3, -1, -1]}], "outputs": []}

    def predict(self, inputs):
        return {"n": len(inputs["x"])}
"""
SLOW = """
import time
import numpy as np

class Slow:
    def metadata(self):
        return {"inputs": [{"name": "t", "type": "BYTES", "shape": []}], "outputs": []}

    def predict(self, inputs):
        if inputs["t"].item()[:4] == b"wait":
            time.sleep(3)
        return {"n": 1}
"""
LARGE = """
import numpy as np

class Large:
    def metadata(self):
        return {
            "inputs": [{"name": "x", "type": "FP32", "shape": [-1]}],
            "outputs": [{"name": "y", "type": "UINT8", "shape": [-1, 16777216]}],
        }

    def predict(self, inputs):
        return {"y": np.ones((len(inputs["x"]), 16 << 20), np.uint8)}
"""
MB = 1 << 20


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS), memory_mb=256) as instance:
        yield instance


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/csv", b"a\n" * 10 * MB, 413),
        ("text/csv", b"," * 20 * MB, 413),
        ("multipart/form-data; boundary=a", b"\r\n--aXY" * 2 * MB, 400),
    ],
)
def test_tables_and_forms_are_counted_before_they_are_cut(iris: Running, kind: str, body: bytes, status: int) -> None:
    before = peak(iris)
    assert iris.post("/eval", body, content_type=kind).status == status
    assert peak(iris) - before < 150


def test_json_before_binary_tensors_is_counted_as_well(iris: Running) -> None:
    body = b'{"inputs":[' + b"[]," * 5 * MB + b"[]]}"
    answer = iris.post("/v2/models/iris/infer", body, inference_header_content_length=str(len(body)))
    assert answer.status == 413
    assert "metadata.memory" in answer.json["error"]


def test_one_long_text_takes_more_than_its_own_length(iris: Running) -> None:
    assert iris.post("/eval", b'{"sepal_length":"' + b"a" * 45 * MB + b'"}').status == 413


def test_texts_and_pictures_that_grow_are_refused(tmp_path: Path) -> None:
    own = processor(tmp_path, TEXTS)
    with serving(tmp_path, processor="python", processor_path=own, memory_mb=256) as instance:
        raw = struct.pack("<I2s", 2, b"ab") * 2 * MB
        tensor = {"name": "t", "datatype": "BYTES", "shape": [2 * MB], "parameters": {"binary_data_size": len(raw)}}
        head = json.dumps({"inputs": [tensor]}).encode()
        length = str(len(head))
        answer = instance.post("/v2/models/iris/infer", head + raw, inference_header_content_length=length)
        assert answer.status == 413
    own = processor(tmp_path / "pictures", PICTURES)
    with serving(tmp_path / "pictures", processor="python", processor_path=own, memory_mb=256) as instance:
        out = io.BytesIO()
        Image.new("RGB", (6000, 6000)).save(out, "PNG")
        answer = instance.post("/eval", out.getvalue(), content_type="image/png")
        assert answer.status == 413
        assert "6000×6000" in answer.json["error"]
        assert peak(instance) < 150


def test_bodies_of_tiny_frames_hold_little_more_than_their_bytes() -> None:
    pieces = Pieces()
    for number in range(100_000):
        pieces.add(b"%02d" % (number % 100))
    assert len(pieces._pieces) < 2000
    assert len(pieces.take()) == 200_000
    assert pieces.take() == b""
    unframer = Unframer(b"identity", MB)
    message = bytes(range(256)) * 400
    data = b"\0" + len(message).to_bytes(4, "big") + message
    *most, last = (data[at : at + 2] for at in range(0, len(data), 2))
    assert not any(unframer.feed(piece) for piece in most)
    assert len(unframer._chunks) < 2000
    (found,) = unframer.feed(last)
    assert bytes(found) == message


def test_settings_again_and_again_end_the_connection(iris: Running) -> None:
    with Wire.open(iris.port) as wire:
        wire.send(wire.frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 60000) * 2000))
        assert wire.until(frames.GOAWAY).payload[4:8] == struct.pack(">I", frames.ENHANCE_YOUR_CALM)


def test_making_us_reset_counts_as_giving_up(iris: Running) -> None:
    with Wire.open(iris.port) as wire:
        for stream in range(1, 1201, 2):
            wire.send(wire.headers(stream, CALL), wire.frame(frames.WINDOW_UPDATE, 0, stream, bytes(4)))
        assert wire.until(frames.GOAWAY).payload[4:8] == struct.pack(">I", frames.ENHANCE_YOUR_CALM)


def test_a_message_of_millions_of_fields_is_refused_at_once() -> None:
    for message in (bytes(MB), b"\x78\x01" * MB, b"\x3a\x00" * MB):
        with pytest.raises(Malformed):
            split(message, 3, 7)


def test_halves_of_large_messages_of_many_websockets_count_together(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), memory_mb=160) as instance:
        clients = [connect(f"ws://127.0.0.1:{instance.port}/ws", max_size=None) for _ in range(4)]
        try:
            for client in clients:
                client.socket.sendall(b"\x02\xff" + struct.pack(">Q", 15 * MB) + bytes(4) + bytes(14 * MB))
            until(lambda: sum(client.close_code == 1013 for client in clients) == 2, instance)
        finally:
            for client in clients:
                client.socket.close()
        until(lambda: instance.get("/v2/health/ready").status == 200)


def test_a_flood_of_tiny_fragments_ends_the_websocket(iris: Running) -> None:
    with connect(f"ws://127.0.0.1:{iris.port}/ws") as client:
        client.socket.sendall(b"\x01\x81" + bytes(4) + b"{" + (b"\x00\x80" + bytes(4)) * 20_000)
        until(lambda: client.close_code == 1008, iris)


def test_metrics_from_outside_may_have_any_tags() -> None:
    metrics = UserMetrics()
    tags = {"name": "a", "self": "b", "description": "c", "labels": "d"}
    assert told({"name": "depth", "value": 3, "tags": tags}, metrics) == 1
    (family,) = metrics.families()
    assert list(family.values.values()) == [3.0]
    with pytest.raises(InvalidInput, match="larger than any float"):
        told({"name": "depth", "value": 10**400}, metrics)


def peak(instance: Running) -> int:
    """The most memory that it has held, in MB."""
    text = Path(f"/proc/{instance.process.pid}/status").read_text() if sys.platform == "linux" else "VmHWM: 0"
    return int(text.partition("VmHWM:")[2].split()[0]) >> 10


def test_bodies_read_on_another_thread_are_let_go_once_answered(tmp_path: Path) -> None:
    own = processor(tmp_path, SLOW)
    with serving(tmp_path, processor="python", processor_path=own, memory_mb=512) as instance:
        for _ in range(20):
            assert instance.post("/eval", bytes(15 * MB), content_type="application/octet-stream").status == 200
        assert peak(instance) < 220


def test_bodies_that_grow_when_unpacked_take_their_room(tmp_path: Path) -> None:
    own = processor(tmp_path, SLOW)
    with serving(tmp_path, processor="python", processor_path=own, memory_mb=256) as instance:
        packed = gzip.compress(b"wait" + bytes(40 * MB), 1)
        kind = {"content_type": "application/octet-stream", "content_encoding": "gzip"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: instance.post("/eval", packed, **kind).status, range(8)))
        assert set(answers) == {200, 503}
        assert answers.count(503) >= 4
        assert peak(instance) < 280
        assert instance.post("/eval", gzip.compress(bytes(40 * MB), 1), **kind).status == 200


def test_replies_that_nobody_reads_count_as_bodies_do(tmp_path: Path) -> None:
    own = processor(tmp_path, LARGE)
    asked = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}],
        "parameters": {"binary_data_output": True},
    }
    body = json.dumps(asked).encode()
    head = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with serving(tmp_path, processor="python", processor_path=own, memory_mb=256) as instance:
        for _ in range(20):
            client = instance.connect()
            client.sendall(head + body)
            assert client.recv(12) == b"HTTP/1.1 200"
        for _ in range(10):
            wire = Wire.open(instance.port)
            instance.clients.append(wire.socket)
            wire.send(wire.headers(1, BLOCK), wire.data(1, body))
            assert wire.until(frames.DATA).payload
        assert instance.post("/v2/models/iris/infer", asked).status == 200
        assert peak(instance) < 330


def test_many_texts_are_read_beside_the_event_loop(tmp_path: Path) -> None:
    own = processor(tmp_path, TEXTS)
    with serving(tmp_path, processor="python", processor_path=own) as instance:
        raw = struct.pack("<I2s", 2, b"ab") * MB
        tensor = {"name": "t", "datatype": "BYTES", "shape": [MB], "parameters": {"binary_data_size": len(raw)}}
        head = json.dumps({"id": "a", "inputs": [tensor]}).encode()
        asked = {"inference_header_content_length": str(len(head))}
        answer = instance.post("/v2/models/iris/infer", head + raw, **asked)
        assert (answer.status, answer.json["id"], answer.json["outputs"][0]["data"]) == (200, "a", [MB])
        wrong = instance.post("/v2/models/iris/infer", head + raw[:-1], **asked)
        assert (wrong.status, "t" in wrong.json["error"]) == (400, True)
