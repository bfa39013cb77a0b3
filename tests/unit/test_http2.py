"""HTTP/2 as a client of our own meets it: what is allowed works, what is not ends with the code the standard names."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from http2_kit import BLOCK, CALL, EMPTY_MESSAGE, Wire
from runtime_kit import IRIS, ROW, Running, processor, serving

from mlserve.runtime.http2 import frames

GET = [(":method", "GET"), (":scheme", "http"), (":path", "/v2/health/live"), (":authority", "x")]


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS)) as instance:
        yield instance


def test_a_call_is_answered_with_its_status_in_the_trailers(iris: Running) -> None:
    with Wire.open(iris.port) as wire:
        for stream in (1, 3, 5):
            wire.call(stream)
            fields = wire.answered(stream)
            assert (":status", "200") in fields
            assert ("grpc-status", "0") in fields


def test_plain_requests_are_answered_as_over_http1(iris: Running) -> None:
    listed = [{"name": name, "shape": [1, 1], "datatype": "FP32", "data": [value]} for name, value in ROW.items()]
    body = json.dumps({"inputs": listed}).encode()
    with Wire.open(iris.port) as wire:
        wire.send(wire.headers(1, GET, frames.END_HEADERS | frames.END_STREAM))
        assert (":status", "200") in wire.answered(1)
        wire.send(wire.headers(3, [*BLOCK, ("content-length", str(len(body)))]), wire.data(3, body))
        assert json.loads(wire.until(frames.DATA, 3).payload)["outputs"][0]["data"] == ["setosa"]
        wire.send(wire.headers(5, BLOCK), wire.data(5, b"{"))
        assert (":status", "400") in wire.answered(5)
        wire.send(wire.headers(7, [*GET[:2], (":path", "/nowhere"), GET[3]], frames.END_HEADERS | frames.END_STREAM))
        assert (":status", "404") in wire.answered(7)
        wire.send(wire.headers(9, [(":method", "HEAD"), *GET[1:]], frames.END_HEADERS | frames.END_STREAM))
        assert dict(wire.answered(9))["content-length"] == "13"


def test_bytes_may_come_one_by_one(iris: Running) -> None:
    with socket.create_connection(("127.0.0.1", iris.port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(client)
        whole = frames.PREFACE + frames.settings({}) + wire.headers(1) + wire.data(1)
        for at in range(len(whole)):
            client.send(whole[at : at + 1])
        assert ("grpc-status", "0") in wire.answered(1)


def test_first_bytes_that_only_look_like_http2_are_http1(iris: Running) -> None:
    with socket.create_connection(("127.0.0.1", iris.port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in (b"P", b"O", b"ST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"):
            client.sendall(part)
            time.sleep(0.02)
        assert client.recv(100).startswith(b"HTTP/1.1 404")


def test_header_blocks_may_be_split_padded_and_huffman_coded(iris: Running) -> None:
    with Wire.open(iris.port) as wire:
        block = wire.encoder.encode([*CALL, ("x-more", "tür" * 50)], huffman=True)
        wire.send(wire.frame(frames.HEADERS, 0, 1, block[:10]))
        wire.send(*(wire.frame(frames.CONTINUATION, 0, 1, block[at : at + 7]) for at in range(10, len(block), 7)))
        wire.send(wire.frame(frames.CONTINUATION, frames.END_HEADERS, 1), wire.data(1))
        assert ("grpc-status", "0") in wire.answered(1)
        block = wire.encoder.encode(CALL, huffman=False)
        flags = frames.END_HEADERS | frames.PADDED | frames.HAS_PRIORITY
        wire.send(wire.frame(frames.HEADERS, flags, 3, b"\x04" + bytes(5) + block + bytes(4)))
        wire.send(wire.frame(frames.DATA, frames.PADDED | frames.END_STREAM, 3, b"\xff" + EMPTY_MESSAGE + bytes(255)))
        assert ("grpc-status", "0") in wire.answered(3)


def test_trailers_end_a_request(iris: Running) -> None:
    with Wire.open(iris.port) as wire:
        wire.send(wire.headers(1), wire.data(1, flags=0))
        wire.send(wire.headers(1, [("x-checksum", "1")], frames.END_HEADERS | frames.END_STREAM))
        assert ("grpc-status", "0") in wire.answered(1)


def test_what_is_unknown_or_too_late_is_ignored(iris: Running) -> None:
    with Wire.open(iris.port) as wire:
        wire.send(wire.frame(0xFA, 7, 9, b"extension"), wire.frame(frames.PRIORITY, 0, 9, bytes(5)))
        wire.send(frames.settings({0xABCD: 5, frames.HEADER_TABLE_SIZE: 0}))
        wire.call(1)
        assert ("grpc-status", "0") in wire.answered(1)
        wire.send(frames.window_update(1, 5), frames.rst_stream(1, 8), wire.data(1))
        wire.send(frames.ping(b"12345678"))
        assert wire.until(frames.PING).payload == b"12345678"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Answers with as many zeros as asked for."""
    text = """
import numpy as np
class P:
    def predict(self, inputs):
        return {"y": np.zeros(int(inputs["n"]), np.uint8)}
"""
    home = tmp_path_factory.mktemp("large")
    folder = processor(home, text)
    with serving(home, processor="python", processor_path=folder, processor_entry="processor.py:P") as instance:
        yield instance


def test_a_large_answer_keeps_to_the_clients_windows(large: Running) -> None:
    with Wire.open(large.port, {frames.INITIAL_WINDOW_SIZE: 1000}) as wire:
        path = [*BLOCK[:2], (":path", "/"), BLOCK[3]]
        wire.send(wire.headers(1, path), wire.data(1, b'{"n": 100000}'))
        size = len(wire.until(frames.DATA, 1).payload)
        assert size == 1000
        wire.send(frames.settings({frames.INITIAL_WINDOW_SIZE: 1500}))
        while size < 1500:
            size += len(wire.until(frames.DATA, 1).payload)
        wire.send(frames.ping(b"12345678"))
        while (frame := wire.read()) is not None and frame.kind != frames.PING:
            assert frame.kind != frames.DATA, "nothing more may come before the window opens"
        wire.send(frames.window_update(1, 1 << 20))
        while size < 65535:  # of the connection's own window
            piece = wire.until(frames.DATA, 1)
            size += len(piece.payload)
            assert len(piece.payload) <= frames.USUAL_FRAME
        assert size == 65535
        wire.send(frames.window_update(0, 1 << 20))
        while not piece.flags & frames.END_STREAM:
            piece = wire.until(frames.DATA, 1)
            size += len(piece.payload)
        assert size > 200_000


def test_a_window_that_shrinks_below_nothing_is_waited_for(large: Running) -> None:
    with Wire.open(large.port, {frames.INITIAL_WINDOW_SIZE: 1000}) as wire:
        wire.send(wire.headers(1, [*BLOCK[:2], (":path", "/"), BLOCK[3]]), wire.data(1, b'{"n": 1000}'))
        wire.until(frames.DATA, 1)
        wire.send(frames.settings({frames.INITIAL_WINDOW_SIZE: 0}), frames.window_update(1, 500))
        wire.send(frames.ping(b"12345678"))
        wire.until(frames.PING)
        wire.send(frames.window_update(1, 100_000))
        wire.answered(1)


def test_a_connection_is_asked_to_leave_before_the_instance_ends(tmp_path: Path) -> None:
    text = "import time\nclass P:\n    def predict(self, inputs):\n        time.sleep(1)\n        return {'y': 1}\n"
    folder = processor(tmp_path, text)
    with (
        serving(tmp_path, processor="python", processor_path=folder, processor_entry="processor.py:P") as instance,
        Wire.open(instance.port) as wire,
    ):
        wire.send(wire.headers(1, [*BLOCK[:2], (":path", "/"), BLOCK[3]]), wire.data(1, b"{}"))
        wire.send(frames.ping(b"12345678"))
        wire.until(frames.PING)
        instance.process.terminate()
        assert struct.unpack(">II", wire.until(frames.GOAWAY).payload[:8]) == (frames.LARGEST_WINDOW, 0)
        assert wire.until(frames.DATA, 1).payload == b'{"y":1}'
        assert wire.ended() == 0
        assert instance.process.wait(20) == 0


Wrong = Callable[[Wire], bytes]
H, E = frames.END_HEADERS, frames.END_STREAM
BROKEN: list[tuple[str, int, Wrong]] = [
    ("data of a stream that never was", frames.PROTOCOL_ERROR, lambda w: w.data(1)),
    ("an even stream", frames.PROTOCOL_ERROR, lambda w: w.headers(2)),
    ("stream zero", frames.PROTOCOL_ERROR, lambda w: w.headers(0)),
    ("another frame inside a header block", frames.PROTOCOL_ERROR,
     lambda w: w.headers(1, flags=0) + frames.ping(bytes(8))),
    ("a block that goes on elsewhere", frames.PROTOCOL_ERROR,
     lambda w: w.headers(1, flags=0) + w.frame(frames.CONTINUATION, H, 3)),
    ("a continuation of nothing", frames.PROTOCOL_ERROR, lambda w: w.frame(frames.CONTINUATION, H, 1)),
    ("a push", frames.PROTOCOL_ERROR, lambda w: w.frame(frames.PUSH_PROMISE, H, 1, bytes(10))),
    ("settings of a stream", frames.PROTOCOL_ERROR, lambda w: w.frame(frames.SETTINGS, 0, 1)),
    ("half a setting", frames.FRAME_SIZE_ERROR, lambda w: w.frame(frames.SETTINGS, 0, 0, bytes(5))),
    ("an acknowledgement with settings", frames.FRAME_SIZE_ERROR, lambda w: w.frame(frames.SETTINGS, 1, 0, bytes(6))),
    ("a window beyond the largest", frames.FLOW_CONTROL_ERROR, lambda w: frames.settings({4: 1 << 31})),
    ("a frame size below the smallest", frames.PROTOCOL_ERROR, lambda w: frames.settings({5: 100})),
    ("a window opened too far", frames.FLOW_CONTROL_ERROR, lambda w: frames.window_update(0, (1 << 31) - 1)),
    ("a window opened by nothing", frames.PROTOCOL_ERROR, lambda w: frames.window_update(0, 0)),
    ("a short window update", frames.FRAME_SIZE_ERROR, lambda w: w.frame(frames.WINDOW_UPDATE, 0, 0, bytes(3))),
    ("a short ping", frames.FRAME_SIZE_ERROR, lambda w: w.frame(frames.PING, 0, 0, bytes(7))),
    ("a ping of a stream", frames.PROTOCOL_ERROR, lambda w: w.frame(frames.PING, 0, 1, bytes(8))),
    ("a short reset", frames.FRAME_SIZE_ERROR, lambda w: w.frame(frames.RST_STREAM, 0, 1, bytes(3))),
    ("a reset of a stream that never was", frames.PROTOCOL_ERROR, lambda w: frames.rst_stream(1, 8)),
    ("a short priority", frames.FRAME_SIZE_ERROR, lambda w: w.frame(frames.PRIORITY, 0, 1, bytes(4))),
    ("more padding than frame", frames.PROTOCOL_ERROR,
     lambda w: w.headers(1) + w.frame(frames.DATA, frames.PADDED, 1, b"\x05abc")),
    ("padding of an empty frame", frames.PROTOCOL_ERROR,
     lambda w: w.headers(1) + w.frame(frames.DATA, frames.PADDED, 1)),
    ("a header that is not in the table", frames.COMPRESSION_ERROR,
     lambda w: w.frame(frames.HEADERS, H, 1, b"\xff\x7f")),
    ("header index zero", frames.COMPRESSION_ERROR, lambda w: w.frame(frames.HEADERS, H, 1, b"\x80")),
    ("a block that breaks off", frames.COMPRESSION_ERROR, lambda w: w.frame(frames.HEADERS, H, 1, b"\x40\x0aabc")),
    ("a huffman code that ends nowhere", frames.COMPRESSION_ERROR,
     lambda w: w.frame(frames.HEADERS, H, 1, b"\x00\x81\x00\x00")),
    ("a huffman end mark", frames.COMPRESSION_ERROR,
     lambda w: w.frame(frames.HEADERS, H, 1, b"\x00\x84\xff\xff\xff\xff\x00")),
    ("a number without end", frames.COMPRESSION_ERROR, lambda w: w.frame(frames.HEADERS, H, 1, b"\xff" + b"\xff" * 9)),
    ("a table larger than agreed", frames.COMPRESSION_ERROR,
     lambda w: w.frame(frames.HEADERS, H, 1, b"\x3f\xe2\x1f" + b"\x82")),
    ("headers too large", frames.ENHANCE_YOUR_CALM,
     lambda w: w.headers(1, [*CALL, *((f"x-{n}", "v" * 1000) for n in range(80))], flags=0)),
    ("headers that grow", frames.ENHANCE_YOUR_CALM, lambda w: w.headers(1, flags=0) + b"".join(
        w.frame(frames.CONTINUATION, 0, 1, b"\x00\x01a\x7f\x00" + bytes(100)) for _ in range(1000))),
    ("a bomb", frames.ENHANCE_YOUR_CALM, lambda w: w.frame(
        frames.HEADERS, H, 1, b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 12000)),
    ("empty continuations", frames.ENHANCE_YOUR_CALM,
     lambda w: w.headers(1, flags=0) + w.frame(frames.CONTINUATION, 0, 1) * 5000),
    ("pings", frames.ENHANCE_YOUR_CALM, lambda w: frames.ping(bytes(8)) * 20_000),
    ("settings", frames.ENHANCE_YOUR_CALM, lambda w: frames.settings({}) * 20_000),
    ("empty data", frames.ENHANCE_YOUR_CALM, lambda w: w.headers(1) + w.data(1, b"", 0) * 20_000),
    ("resets", frames.ENHANCE_YOUR_CALM, lambda w: b"".join(
        w.headers(n) + frames.rst_stream(n, 8) for n in range(1, 10_000, 2))),
    ("a frame larger than agreed", frames.FRAME_SIZE_ERROR,
     lambda w: w.headers(1) + frames.head(5 << 20, frames.DATA, 0, 1)),
    ("a ping as large as data", frames.FRAME_SIZE_ERROR, lambda w: frames.head(1 << 19, frames.PING, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "code", "wrong"), BROKEN, ids=[what for what, *_ in BROKEN])
def test_a_client_that_breaks_the_rules_is_told_and_left(iris: Running, what: str, code: int, wrong: Wrong) -> None:
    with Wire.open(iris.port) as wire:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has left already
            wire.send(wrong(wire))
        ended = wire.ended()
        assert ended in (code, -1), what
        if ended == -1:
            assert code == frames.ENHANCE_YOUR_CALM, "only a flood may lose the goodbye on the way"
    assert iris.get("/v2/health/live").status == 200


@pytest.mark.parametrize(
    "fields",
    [
        GET[1:], GET[:1] + GET[2:], GET[:2] + GET[3:], [*GET, GET[0]], [*GET, (":status", "200")], [("a", "b"), *GET],
        [*GET, ("Upper", "case")], [*GET, ("a b", "c")], [*GET, ("connection", "close")], [*GET, ("te", "gzip")],
        [*GET, ("a", "b\r\nc")], [*GET, ("a", "b\x00")], [*GET, ("transfer-encoding", "chunked")],
        [*GET, ("content-length", "-1")], [*GET, ("content-length", "5")], [*GET[:2], (":path", ""), GET[3]],
    ],
)  # fmt: skip
def test_headers_that_are_no_request_lose_their_stream_alone(iris: Running, fields: list[tuple[str, str]]) -> None:
    with Wire.open(iris.port) as wire:
        wire.send(wire.headers(1, fields, H | E))
        assert int.from_bytes(wire.until(frames.RST_STREAM, 1).payload, "big") == frames.PROTOCOL_ERROR
        wire.call(3)
        assert ("grpc-status", "0") in wire.answered(3)


def test_a_stream_that_goes_on_after_its_end_is_reset(large: Running) -> None:
    with Wire.open(large.port) as wire:
        wire.send(wire.headers(1, [*BLOCK, ("content-length", "3")]), wire.data(1, b"ab"))
        assert int.from_bytes(wire.until(frames.RST_STREAM, 1).payload, "big") == frames.PROTOCOL_ERROR
        wire.send(wire.headers(3, [*BLOCK, ("content-length", "1")]), wire.data(3, b"ab", 0))
        assert int.from_bytes(wire.until(frames.RST_STREAM, 3).payload, "big") == frames.PROTOCOL_ERROR


def test_too_many_streams_are_refused_and_not_run(large: Running) -> None:
    with Wire.open(large.port) as wire:
        wire.send(*(wire.headers(n) for n in range(1, 2 * 1024 + 4, 2)))
        assert int.from_bytes(wire.until(frames.RST_STREAM).payload, "big") == frames.REFUSED_STREAM


def test_bodies_that_never_end_hold_little_memory(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), max_body=1 << 20) as instance, Wire.open(instance.port) as wire:
        chunk = bytes(16_000)
        resets = 0
        for n in range(1, 21, 2):
            wire.send(wire.headers(n, BLOCK), *(wire.data(n, chunk, 0) for _ in range(30)))
        wire.send(frames.ping(b"12345678"))
        while (frame := wire.read()) is not None and frame.kind != frames.PING:
            resets += frame.kind == frames.RST_STREAM
        assert resets >= 3
        wire.call(101)
        assert ("grpc-status", "0") in wire.answered(101)


def test_a_body_that_is_too_large_is_refused_before_it_ends(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), max_body=10_000) as instance, Wire.open(instance.port) as wire:
        wire.send(wire.headers(1, BLOCK), wire.data(1, bytes(11_000), 0))
        assert (":status", "413") in wire.answered(1)
        wire.send(wire.headers(3), wire.data(3, b"\0" + (11_000).to_bytes(4, "big") + bytes(11_000), 0))
        assert ("grpc-status", "8") in wire.answered(3)
        wire.call(5)
        assert ("grpc-status", "0") in wire.answered(5)
