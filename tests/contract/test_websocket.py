"""WebSockets of real instances, as the `websockets` package meets them: both formats, streams, sequences, limits."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.runtime_kit import IRIS, ROW, Running, processor, serving, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

MANY = """
import time
import numpy as np
from mlserve.runtime import InvalidInput

class Many:
    def metadata(self):
        return {"inputs": [{"name": "x", "type": "FP32", "shape": [-1]}], "outputs": []}

    def predict(self, inputs, context):
        x = inputs["x"]
        if x.size and x[0] < 0:
            raise InvalidInput("not below nothing")
        context.state["sum"] = context.state.get("sum", 0.0) + float(x.sum())
        for number in range(context.parameters.get("times", 1)):
            yield {"sum": np.array([context.state["sum"]]), "n": np.array([number])}
            time.sleep(context.parameters.get("pause", 0))
"""


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS), max_body=1 << 20) as instance:
        yield instance


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("many")
    entry = {"processor_path": processor(home, MANY), "processor_entry": "processor.py:Many"}
    with serving(home, service="many", processor="python", **entry) as instance:
        yield instance


def opened(instance: Running, path: str, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{instance.port}{path}", max_size=None, proxy=None, **options)


def heard(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=20))


def v2(identity: str = "", **values: list[float]) -> str:
    listed = [{"name": k, "shape": [len(v)], "datatype": "FP32", "data": v} for k, v in values.items()]
    return json.dumps({"id": identity, "inputs": listed})


def test_the_simplified_format_is_answered_as_over_http(iris: Running) -> None:
    with opened(iris, "/ws") as client:
        for body in (ROW, {name: [[value]] * 3 for name, value in ROW.items()}):
            client.send(json.dumps(body))
            assert heard(client) == iris.post("/", body).json


def test_the_inference_protocol_is_answered_as_over_http(iris: Running) -> None:
    listed = [{"name": name, "shape": [1, 1], "datatype": "FP32", "data": [value]} for name, value in ROW.items()]
    body = {"id": "mine", "inputs": listed}
    for path in ("/v2/models/iris/stream", "/v2/models/iris/versions/3/stream"):
        with opened(iris, path) as client:
            client.send(json.dumps(body))
            assert heard(client) == iris.post("/v2/models/iris/infer", body).json


def test_tensors_go_in_binary_both_ways(iris: Running) -> None:
    listed = [
        {"name": name, "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}} for name in ROW
    ]
    header = json.dumps({"inputs": listed, "parameters": {"binary_data_output": True}}).encode()
    tensors = b"".join(np.full(2, value, "<f4").tobytes() for value in ROW.values())
    with opened(iris, "/v2/models/iris/stream") as client:
        client.send(struct.pack("<I", len(header)) + header + tensors)
        answer = client.recv(timeout=20)
        assert isinstance(answer, bytes)
        (length,) = struct.unpack("<I", answer[:4])
        outputs = json.loads(answer[4 : 4 + length])["outputs"]
        assert [output["name"] for output in outputs] == ["species", "probability"]
        assert answer[4 + length :].startswith(struct.pack("<I", 6) + b"setosa")


def test_a_message_that_is_one_raw_tensor(many: Running) -> None:
    raw = np.array([1, 2], "<f4").tobytes()
    with opened(many, "/ws") as client:
        client.send(raw)
        assert (heard(client), heard(client)) == ({"sum": [3.0], "n": [0]}, {"final": True})
    with opened(many, "/v2/models/many/stream") as client:
        client.send(bytes(4) + raw)
        answer = client.recv(timeout=20)
        assert isinstance(answer, bytes)
        assert answer.endswith(struct.pack("<dq", 3.0, 0))


def test_a_request_may_have_many_answers_and_they_keep_their_order(many: Running) -> None:
    with opened(many, "/v2/models/many/stream") as client:
        for number in range(30):
            body = json.loads(v2(str(number), x=[1.0]))
            client.send(json.dumps(body | {"parameters": {"times": number % 3}}))
        for number in range(30):
            for part in range(number % 3):
                answer = heard(client)
                assert answer["id"] == str(number)
                assert {output["name"]: output["data"] for output in answer["outputs"]}["n"] == [part]
            last = heard(client)
            assert (last["id"], last["outputs"]) == (str(number), [])
            assert last["parameters"] == {"triton_final_response": True}


def test_one_connection_is_one_sequence(many: Running) -> None:
    def ask(client: ClientConnection, body: str) -> float:
        client.send(body)
        answer, _ = heard(client), heard(client)
        return float(answer["outputs"][0]["data"][0])

    named = json.loads(v2(x=[1.0])) | {"parameters": {"sequence_id": 5, "sequence_start": True}}
    path = "/v2/models/many/stream"
    with opened(many, path) as one, opened(many, path) as other:
        assert [ask(one, v2(x=[1.0])) for _ in range(3)] == [1.0, 2.0, 3.0]
        assert ask(other, v2(x=[1.0])) == 1.0
        assert ask(one, json.dumps(named)) == 1.0
        assert ask(one, v2(x=[1.0])) == 4.0
    until(lambda: b'mlserve_sequences{service="many",version="3"} 1' in many.get("/metrics").body)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("{", "not JSON"), ("[]", "wants an object"), (v2(y=[1.0]), "came: y"), ("{}", "wants a list"),
        (v2("a", x=[-1.0]), "not below nothing"), (b"\x01", "four bytes"), (b"\xff\xff\xff\xff", "has 0 bytes"),
        (b"\x01\x00\x00\x00{", "not JSON"),
    ],
)  # fmt: skip
def test_an_error_is_a_message_and_the_connection_goes_on(many: Running, message: str | bytes, words: str) -> None:
    with opened(many, "/v2/models/many/stream") as client:
        client.send(message)
        answer = heard(client)
        assert words in answer["error"]
        assert answer["code"]
        client.send(v2("next", x=[1.0]))
        assert heard(client)["id"] == "next"


def test_other_paths_and_wrong_handshakes_are_refused(iris: Running) -> None:
    for path, status in (("/nowhere", 404), ("/v2/models/rose/stream", 404), ("/v2/models/iris", 200)):
        with pytest.raises(InvalidStatus) as caught:
            opened(iris, path)
        assert caught.value.response.status_code == status
    head = "GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n{}\r\n"
    for more in (
        "",
        "sec-websocket-version: 13\r\n",
        "sec-websocket-version: 13\r\nsec-websocket-key: short\r\n",
        "sec-websocket-version: 13\r\nsec-websocket-key: " + "A" * 20 + "\r\n",
        "sec-websocket-version: 1\r\nsec-websocket-key: " + "A" * 22 + "==\r\n",
    ):
        answer = iris.raw(head.format(more).encode())
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 426")), answer
    assert iris.get("/v2/health/live").status == 200


def test_what_breaks_the_rules_is_closed_with_its_code(iris: Running) -> None:
    with opened(iris, "/ws") as client:
        client.send("x" * ((1 << 20) + 1))
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=20)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    for frame, code in (
        (b"\x81\x01x", 1002), (b"\x83\x80abcd", 1002), (b"\x81\x81\0\0\0\0\xff", 1007), (b"\xc1\x80abcd", 1002),
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", iris.port), timeout=20) as raw:
            key = b"dGhlIHNhbXBsZSBub25jZQ=="
            raw.sendall(
                b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: " + key + b"\r\n\r\n" + frame
            )
            said = b""
            while part := raw.recv(4096):
                said += part
            head, _, rest = said.partition(b"\r\n\r\n")
            assert b"101" in head
            assert rest[:1] == b"\x88"
            assert int.from_bytes(rest[2:4], "big") == code


def test_pings_and_split_messages_are_understood(iris: Running) -> None:
    with opened(iris, "/ws") as client:
        assert client.ping().wait(20)
        text = json.dumps(ROW)
        client.send([text[:10], text[10:50], text[50:]])
        assert heard(client)["species"] == "setosa"


def test_a_client_that_leaves_frees_its_slot(many: Running) -> None:
    body = json.loads(v2(x=[1.0])) | {"parameters": {"times": 1_000_000, "pause": 0.01}}
    with opened(many, "/v2/models/many/stream") as client:
        client.send(json.dumps(body))
        heard(client)
    until(lambda: b'mlserve_requests_in_flight{service="many",version="3"} 0' in many.get("/metrics").body)


def test_a_client_that_does_not_read_holds_the_stream_up_and_loses_nothing(many: Running) -> None:
    body = json.loads(v2("x" * 5000, x=[1.0])) | {"parameters": {"times": 3000}}
    with opened(many, "/v2/models/many/stream", max_queue=1) as client:
        client.send(json.dumps(body))
        seen = [heard(client) for _ in range(3001)]
        assert [answer["outputs"][1]["data"][0] for answer in seen[:-1]] == list(range(3000))


def test_a_connection_is_closed_when_the_instance_ends_and_what_was_asked_is_answered(tmp_path: Path) -> None:
    entry = {"processor_path": processor(tmp_path, MANY), "processor_entry": "processor.py:Many"}
    with serving(tmp_path, processor="python", **entry) as instance:
        body = json.loads(v2(x=[1.0])) | {"parameters": {"times": 2, "pause": 0.5}}
        with opened(instance, "/v2/models/iris/stream") as client, opened(instance, "/ws") as idle:
            client.send(json.dumps(body))
            heard(client)
            instance.process.terminate()
            assert heard(client)["outputs"][1]["data"] == [1]
            heard(client)
            for left in (client, idle):
                with pytest.raises(ConnectionClosed) as caught:
                    left.recv(timeout=20)
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1001
        assert instance.process.wait(20) == 0
