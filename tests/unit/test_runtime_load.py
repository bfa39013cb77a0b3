"""A real instance under load: bounded queue, deadlines, batches, leaving clients, drain."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime_kit import IRIS, ROW, Running, processor, read_all, serving, until

GATED = """
import pathlib, time
class Gated:
    def load(self, path, config):
        self.gate = pathlib.Path(config["gate"])
    def predict(self, inputs):
        print("ran", inputs["x"], flush=True)
        while not self.gate.exists():
            time.sleep(0.005)
        return {"y": inputs["x"]}
"""


@contextmanager
def gated(tmp_path: Path, **more: Any) -> Iterator[tuple[Running, Callable[[], None]]]:
    """An instance whose calls end when the gate is opened."""
    gate = tmp_path / "gate"
    spec = {"processor": "python", "processor_path": processor(tmp_path, GATED), "model_config": {"gate": str(gate)}}
    with serving(tmp_path, **spec, **({"worker_threads": 1} | more)) as instance:
        yield instance, gate.touch


def send(instance: Running, x: int) -> socket.socket:
    client = instance.connect()
    body = json.dumps({"x": x}).encode()
    client.sendall(b"POST /eval HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return client


def metric(instance: Running, name: str) -> float:
    lines = instance.get("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_a_full_queue_is_503_with_retry_after_and_health_still_answers(tmp_path: Path) -> None:
    with gated(tmp_path, max_queue_size=2) as (instance, open_gate):
        first = send(instance, 1)
        until(lambda: "ran 1" in instance.log)
        waiting = [send(instance, 2), send(instance, 3)]
        until(lambda: metric(instance, "mlserve_queue_depth{") == 2)
        refused = instance.post("/eval", {"x": 4})
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["x-mlserve-overloaded"] == "1"
        assert instance.get("/v2/health/live").status == 200
        assert instance.get("/v2/health/ready").status == 200
        assert metric(instance, "mlserve_requests_in_flight{") == 3
        open_gate()
        assert all(b'{"y":' in client.recv(4096) for client in (first, *waiting))
        assert metric(instance, 'mlserve_request_failures_total{service="iris",version="3",reason="queue-full"}') == 1


def test_a_request_over_its_deadline_is_504_and_waiting_ones_are_not_run(tmp_path: Path) -> None:
    with gated(tmp_path, keepalive_ms=300) as (instance, open_gate), ThreadPoolExecutor(2) as pool:
        begun = time.monotonic()
        answers = list(pool.map(lambda x: instance.post("/eval", {"x": x}), (1, 2)))
        assert [answer.status for answer in answers] == [504, 504]
        assert time.monotonic() - begun > 0.25
        open_gate()
        until(lambda: instance.post("/eval", {"x": 3}).status == 200)
        assert instance.log.count("ran ") == 2


def test_work_is_dropped_when_its_client_is_gone(tmp_path: Path) -> None:
    with gated(tmp_path) as (instance, open_gate):
        first = send(instance, 1)
        until(lambda: "ran 1" in instance.log)
        stays = send(instance, 2)
        send(instance, 3).close()
        until(
            lambda: (
                metric(instance, 'mlserve_request_failures_total{service="iris",version="3",reason="client-gone"}') == 1
            )
        )
        open_gate()
        assert b'{"y":1}' in first.recv(4096)
        assert b'{"y":2}' in stays.recv(4096)
        assert instance.post("/eval", {"x": 4}).json == {"y": 4}
        assert "ran 3" not in instance.log


def test_a_half_closed_client_waits_in_the_queue_and_gets_its_reply(tmp_path: Path) -> None:
    with gated(tmp_path) as (instance, open_gate):
        first = send(instance, 1)
        until(lambda: "ran 1" in instance.log)
        half = send(instance, 2)
        half.shutdown(socket.SHUT_WR)
        time.sleep(0.3)  # longer than the server takes to look whether it has gone
        open_gate()
        assert b'{"y":2}' in read_all(half)
        first.close()


def test_worker_threads_run_at_the_same_time(tmp_path: Path) -> None:
    with gated(tmp_path, worker_threads=3) as (instance, open_gate):
        clients = [send(instance, x) for x in range(3)]
        until(lambda: instance.log.count("ran ") == 3)
        assert instance.facts["threads"]["workers"] == 3
        open_gate()
        assert all(b'{"y":' in client.recv(4096) for client in clients)


def test_a_stop_finishes_what_was_accepted_and_new_requests_still_get_answers(tmp_path: Path) -> None:
    with gated(tmp_path, worker_threads=2) as (instance, open_gate):
        client = send(instance, 1)
        until(lambda: "ran 1" in instance.log)
        instance.process.terminate()
        until(lambda: instance.get("/v2/health/ready").status == 503)
        late = send(instance, 2)
        until(lambda: "ran 2" in instance.log)
        open_gate()
        for waiting in (client, late):
            answer = read_all(waiting)
            assert b'{"y":' in answer
            assert b"connection: close" in answer
        assert instance.process.wait(10) == 0


def test_a_stop_ends_within_its_time_although_a_request_hangs(tmp_path: Path) -> None:
    with gated(tmp_path, drain_seconds=1.0) as (instance, _open):
        client = send(instance, 1)
        until(lambda: "ran 1" in instance.log)
        begun = time.monotonic()
        assert instance.stop() == 0
        assert time.monotonic() - begun < 8, "it has 1 s; were it not told, 10"
        assert "lost=1" in instance.log
        client.close()


FOREIGN = """
import numpy
class Foreign:
    def predict(self, inputs):
        return {"y": numpy.arange(3, dtype=">f8")}
"""


def test_outputs_of_the_other_byte_order_are_the_same_numbers(tmp_path: Path) -> None:
    with serving(tmp_path, processor="python", processor_path=processor(tmp_path, FOREIGN)) as instance:
        assert instance.post("/eval", {}).json == {"y": [0.0, 1.0, 2.0]}
        body = {"inputs": [], "parameters": {"binary_data_output": True}}
        answer = instance.post("/v2/models/iris/infer", body)
        assert b'"FP64"' in answer.body
        assert answer.body.endswith(struct.pack("<3d", 0, 1, 2))


LARGE = """
import numpy
class Large:
    def predict(self, inputs):
        return {"y": numpy.zeros(8_000_000)}
"""


def test_a_stop_waits_until_a_slow_client_has_read_its_reply(tmp_path: Path) -> None:
    spec = {"processor": "python", "processor_path": processor(tmp_path, LARGE)}
    with serving(tmp_path, **spec) as instance:
        client = send(instance, 1)
        client.recv(4096)
        instance.process.terminate()
        until(lambda: "draining" in instance.log)
        time.sleep(0.6)  # longer than a quiet instance stays
        assert read_all(client).endswith(b"0.0]}")
        assert instance.process.wait(10) == 0


ODD = """
import asyncio
class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError
class Odd:
    def predict(self, inputs):
        raise {"1": asyncio.CancelledError, "2": KeyboardInterrupt, "3": SystemExit, "4": Unspeakable,
               "5": lambda: ValueError("half a character: \\ud800")}[str(inputs["x"])]()
"""


def test_whatever_predict_raises_is_500_and_costs_no_slot(tmp_path: Path) -> None:
    spec = {"processor": "python", "processor_path": processor(tmp_path, ODD), "worker_threads": 1}
    with serving(tmp_path, **spec) as instance:
        answers = [instance.post("/eval", {"x": x}) for x in (1, 2, 3, 4, 5, 6)]
        assert [answer.status for answer in answers] == [500] * 6
        named = ["CancelledError", "KeyboardInterrupt", "SystemExit", "Unspeakable", "ValueError", "KeyError"]
        assert all(name in answer.json["error"] for name, answer in zip(named, answers, strict=True))


def test_an_exception_in_predict_is_500_for_that_request_alone(tmp_path: Path) -> None:
    text = (
        "from mlserve.runtime import InvalidInput\nclass Mine:\n    def predict(self, inputs):\n"
        "        if inputs['x'] < 0: raise InvalidInput('x must not be negative')\n"
        "        return {'y': 1 // inputs['x'].item()}\n"
    )
    with serving(tmp_path, processor="python", processor_path=processor(tmp_path, text)) as instance:
        broken = instance.post("/eval", {"x": 0})
        assert (broken.status, broken.json["code"]) == (500, "processor-failed")
        assert "ZeroDivisionError" in broken.json["error"]
        assert "processor.py" in instance.log
        refused = instance.post("/eval", {"x": -1})
        assert (refused.status, refused.json["error"]) == (400, "x must not be negative")
        assert instance.post("/eval", {"x": 1}).json == {"y": 1}


def test_requests_of_one_moment_share_a_call_and_a_bad_one_spoils_none(tmp_path: Path) -> None:
    text = (
        "class Mine:\n"
        "    def metadata(self): return {'inputs': [{'name': 'x', 'type': 'double', 'shape': [-1, 1]}]}\n"
        "    def predict(self, inputs):\n"
        "        print('rows', len(inputs['x']), flush=True)\n"
        "        if (inputs['x'] == 13).any(): raise ValueError('thirteen')\n"
        "        return {'y': inputs['x'] * 2}\n"
    )
    more = {"batching": True, "max_batch_size": 8, "max_batch_timeout_ms": 2000, "worker_threads": 1}
    with serving(tmp_path, processor="python", processor_path=processor(tmp_path, text), **more) as instance:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda x: instance.post("/eval", {"x": x}), (10, 11, 12, 13, 14, 15, 16, 17)))
        assert [answer.status for answer in answers] == [200, 200, 200, 500, 200, 200, 200, 200]
        assert [answer.json["y"] for answer in answers if answer.status == 200] == [20, 22, 24, 28, 30, 32, 34]
        assert "rows 8" in instance.log


def test_many_clients_at_once_each_get_their_own_answer(tmp_path: Path) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for step in range(20):
            rows = {name: [[value + (number % 3)]] * (step % 4 + 1) for name, value in ROW.items()}
            answer = instance.post("/eval", rows)
            expected = alone[number % 3]
            if (
                answer.status != 200
                or len(answer.json["species"]) != step % 4 + 1
                or any(
                    abs(p - q) > 1e-4 for row in answer.json["probability"] for p, q in zip(row, expected, strict=True)
                )
            ):
                wrong.append(answer)

    with serving(tmp_path, model_path=str(IRIS), max_queue_size=1) as instance:
        alone = [
            instance.post("/eval", {name: value + shift for name, value in ROW.items()}).json["probability"]
            for shift in range(3)
        ]
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
