"""Ten thousand odd bodies on every path of an instance: each is answered, and none by a 500."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any, cast

from runtime_kit import IRIS, ROW

from mlserve.runtime.http.request import Request
from mlserve.runtime.serve import Instance
from mlserve.runtime.spec import Spec

COUNT = 10_000
V2 = {"id": "7", "inputs": [{"name": n, "shape": [1, 1], "datatype": "FP32", "data": [v]} for n, v in ROW.items()]}
GOOD = [
    json.dumps(body)
    for body in (
        ROW, {name: [[value]] for name, value in ROW.items()}, V2, {"instances": [ROW]}, {"inputs": ROW},
        {"text_input": "a"}, {**V2, "outputs": [{"name": "species", "parameters": {"classification": 2}}]},
        {**V2, "parameters": {"binary_data_output": True, "sequence_id": 3, "priority": 2, "timeout": 1000}},
    )
]  # fmt: skip
ODD = [
    "null", "true", "NaN", "1e999", "-1", "9" * 400, "1e400", '""', '"\\ud800"', '"' + "x" * 70_000 + '"', "[]", "{}",
    "[[]]", "[1,[2]]", "[" * 200, "]" * 200, '{"a":' * 200, ",", ":", '"', "\\", "\x00", "�", "[null]", "0.1",
    '[{"name":1}]', '"FP32"', '"BYTES"', "[1,1]", "[-1]", "[0,4]", "[99999999999999999999]", '{"binary_data_size":-1}',
    '{"binary_data_size":4}', '{"b64":"?"}', "1" * 20, "[true,false]", '["a","b"]',
]  # fmt: skip
KINDS = [
    "", "application/json", "text/plain", "application/octet-stream", "text/csv", "image/png", "image/jpeg",
    "multipart/form-data; boundary=x", "multipart/form-data", "application/x-www-form-urlencoded", "a/b",
    "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet", "\xff",
    "application/json; charset=latin-1",
]  # fmt: skip
MORE = [
    ("inference-header-content-length", ["0", "2", "80", "-1", "x", "99999"]),
    ("content-encoding", ["gzip", "deflate", "br", "identity"]),
    ("accept", ["*/*", "application/json", "text/event-stream", "image/png", "application/vnd.apache.arrow.stream"]),
    ("x-envoy-expected-rq-timeout-ms", ["9999", "0", "x", "60000"]),
    ("x-request-id", ["a", "\xff"]),
    ("traceparent", ["00-" + "1" * 32 + "-" + "2" * 16 + "-01", "x"]),
]


class Client:
    """In the place of a connection: keeps the status of each answer."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.odd: list[tuple[bytes, bytes]] = []
        self.ended = 0

    def send(self, request: Request, status: int, body: bytes, content_type: bytes, extra: bytes) -> None:
        self.statuses[status] += 1
        self.ended += 1
        if status >= 500:
            self.odd.append((request.path.encode() + b" " + request.body[:500], body[:500]))

    def begin(self, request: Request, status: int, content_type: bytes, extra: bytes) -> None:
        self.statuses[status] += 1

    def write(self, request: Request, data: bytes) -> bool:
        return True

    def end(self, request: Request) -> None:
        self.ended += 1


def body(chance: random.Random) -> bytes:
    text = chance.choice(GOOD)
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 1, 3, 20)))
        text = text[:start] + chance.choice([*ODD, *GOOD, ""]) + text[end:]
    raw = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.15:
        raw = chance.randbytes(chance.randrange(200))
    if chance.random() < 0.1:
        raw = raw[: chance.randrange(len(raw) + 1)]
    if chance.random() < 0.05:
        raw = chance.choice((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"PAR1", b"ARROW1\0\0", b"\x1f\x8b")) + raw
    return raw


def headers(chance: random.Random) -> dict[bytes, bytes]:
    found = {b"content-type": chance.choice(KINDS).encode("latin-1")} if chance.random() < 0.6 else {}
    for name, values in MORE:
        if chance.random() < 0.08:
            found[name.encode()] = chance.choice(values).encode("latin-1")
    return found


def test_ten_thousand_odd_bodies_lead_to_no_500_and_no_hang() -> None:
    async def main() -> Client:
        spec = Spec("iris", "onnx", model_path=str(IRIS), max_queue_size=4096, max_body=1 << 20, memory_mb=4096)
        instance, client = Instance(spec), Client()
        started = instance._start()
        assert not isinstance(started, int)
        instance._open(*started)
        app = instance._app
        paths = [path for path, route in app._routes.items() if route.begin or route.act]
        chance, sent = random.Random(5), 0
        async with asyncio.timeout(100):
            for _ in range(COUNT):
                target = chance.choice([*paths, "/nothing", "/v2/models/other/infer", "/v1/models/iris:explain"])
                app.handle(Request(cast(Any, client), "POST", target.encode(), headers(chance), body(chance)))
                sent += 1
                if sent % 64 == 0:
                    while client.ended < sent:  # noqa: ASYNC110 - threads make it true
                        await asyncio.sleep(0)
            while client.ended < sent:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        assert app.in_flight == 0
        return client

    client = asyncio.run(main())
    assert not client.odd, client.odd[:5]
    assert sum(client.statuses.values()) == COUNT
    assert client.statuses[200] > COUNT / 100
    assert client.statuses[400] > COUNT / 5
