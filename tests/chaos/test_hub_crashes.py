"""The hub is killed at any moment, again and again: what it acknowledged holds, and what runs is never doubled."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from tests.chaos.test_chaos import envoy_pid, hub_pid
from tests.waiting import until

import mlserve
from mlserve.context import local_hub

ROUNDS = 30
LIMIT = 60.0
"""Seconds after which no further round begins."""

PROGRAM = """
import http.server, os, signal
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
Shown = dict[str, Any]


def test_thirty_kills_of_the_hub_lose_nothing_and_leave_nothing_behind(home: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    chance, end = random.Random(20), time.monotonic() + LIMIT
    begin(home)
    assert ask(home, "POST", "/v1/services", descriptor(tmp_path, "calm", 2))[0] == 201
    until(lambda: look(home, "calm")["settled"])
    calm = pids(look(home, "calm"))
    for number in range(ROUNDS):
        if time.monotonic() > end:
            break
        name = f"s{chance.randrange(3)}"
        method, path, body = verb(home, tmp_path, name, chance)
        status, answer = killed_during(home, chance.uniform(0, 0.25), method, path, body)
        if number % 5 == 4:
            os.kill(envoy_pid(home), signal.SIGKILL)
        begin(home)
        assert pids(look(home, "calm")) == calm, "what nobody touched runs on, and is shown at once"
        if status:
            assert_kept(home, name, method, status, answer)
        if number % 3 == 2:
            until(lambda: converged(home))
    until(lambda: converged(home))
    assert pids(look(home, "calm")) == calm


def assert_kept(home: Path, name: str, method: str, status: int, answer: Shown) -> None:
    """What the dead hub had acknowledged is what the next one wishes."""
    assert status in (200, 201, 202, 404, 409), answer
    if status == 202:
        assert look(home, name).get("status") in (None, "Deleting")
    if status in (200, 201):
        now = look(home, name)
        assert (now["generation"], now["wished"]) == (answer["generation"], answer["wished"]), f"{method} was lost"


def converged(home: Path) -> bool:
    """Every service is as wished, and for each instance that is shown one program runs: none more, none less."""
    services = ask(home, "GET", "/v1/services")[1]["services"]
    for one in services:
        count = 0 if one["wished"]["stopped"] else one["wished"]["instances"]
        if not one["settled"] or len(pids(one)) != count or one["status"] not in ("Running", "Stopped"):
            return False
    return running(home) == {pid for one in services for pid in pids(one)}


def verb(home: Path, folder: Path, name: str, chance: random.Random) -> tuple[str, str, Shown | None]:
    """Something to wish of a service: to be made, where it is not there."""
    if not look(home, name):
        return "POST", "/v1/services", descriptor(folder, name, 1)
    what = chance.choice(("scale", "scale", "update", "update", "stop", "start", "restart", "delete"))
    bodies = {
        "scale": {"instances": chance.randrange(1, 4)},
        "update": {"set": [f"metadata.rpc.max_queue_size={chance.randrange(10, 10**6)}"]},
    }
    if what == "delete":
        return "DELETE", f"/v1/services/{name}", None
    return "POST", f"/v1/services/{name}/{what}", bodies.get(what)


def killed_during(home: Path, after: float, method: str, path: str, body: Shown | None) -> tuple[int, Shown]:
    """Ask, and kill the hub a moment after the question was begun; status 0 where no answer came."""
    victim = psutil.Process(hub_pid(home))
    killer = threading.Timer(after, victim.send_signal, (signal.SIGKILL,))
    killer.start()
    try:
        return ask(home, method, path, body)
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        killer.join()
        psutil.wait_procs([victim], timeout=5)


def begin(home: Path) -> None:
    """The next hub."""
    with mlserve.connect() as client:
        client.services.list()


def look(home: Path, name: str) -> Shown:
    status, found = ask(home, "GET", f"/v1/services/{name}")
    return found if status == 200 else {}


def ask(home: Path, method: str, path: str, body: Shown | None = None) -> tuple[int, Shown]:
    record = local_hub.read(home)
    assert record
    connection = http.client.HTTPConnection(record.url.removeprefix("http://"), timeout=20)
    try:
        headers = {"authorization": f"Bearer {record.token}", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def descriptor(folder: Path, name: str, count: int) -> Shown:
    return {
        "descriptor": {
            "name": name,
            "command": f"{sys.executable} -S app.py $PORT",
            "processor_path": folder.as_uri(),
            "metadata": {"instance": count, "cpu": 0.1, "memory": 64, "eas.termination_grace_period": 2},
        }
    }


def pids(service: Shown) -> set[int]:
    return {one["pid"] for one in service["instances"] if one["state"] != "Failed"}


def running(home: Path) -> set[int]:
    """Every program that was started for an instance of this home."""
    found = set()
    for process in psutil.process_iter():
        try:
            if str(home) in process.environ().get("MLSERVE_REPORT", ""):
                found.add(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
