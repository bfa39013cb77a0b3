"""Two hundred services on one hub: how soon a change reaches Envoy, and what an idle hub costs."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

import mlserve
from benchmarks.home import fresh_home
from benchmarks.measure import conditions
from mlserve.client import Client, Service

COUNT = 200
STUB = Path(__file__).parent / "stub.py"


def main() -> None:
    with fresh_home() as home, tempfile.TemporaryDirectory() as folder:
        client = mlserve.connect()
        began = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            services = list(pool.map(lambda number: create(client, folder, number), range(COUNT)))
        started = time.perf_counter() - began
        hub = psutil.Process(json.loads((home / "hub.json").read_text())["pid"])
        delays = [route_delay(services[number]) for number in range(0, COUNT, 10)]
        time.sleep(5)
        before, at = sum(hub.cpu_times()[:2]), time.perf_counter()
        time.sleep(30)
        idle = (sum(hub.cpu_times()[:2]) - before) / (time.perf_counter() - at)
        memory = hub.memory_info().rss / 2**20
    print(f"{conditions()}; {COUNT} services × 1 stub instance, all up after {started:.0f} s\n")
    print("| | measured | bar |\n|---|---|---|")
    spread = f"{statistics.median(delays):.0f} ms [{min(delays):.0f}–{max(delays):.0f}]"
    print(f"| stop of a service → Envoy answers 503 for it | {spread} | 200 ms |")
    print(f"| idle hub, share of one core over 30 s | {idle:.2%} | 1 % |")
    print(f"| hub memory (RSS) | {memory:.0f} MB | 150 MB |")


def create(client: Client, folder: str, number: int) -> Service:
    descriptor = {
        "name": f"stub{number}",
        "command": f"{sys.executable} -S {STUB} $PORT",
        "public": True,
        "metadata": {"instance": 1, "cpu": 0.01, "memory": 32},
    }
    path = Path(folder) / f"stub{number}.json"
    path.write_text(json.dumps(descriptor))
    return client.services.create(path).wait(timeout=120)


def route_delay(service: Service) -> float:
    """Milliseconds from the wish to stop until the gateway answers accordingly; nothing else is under way."""
    began = time.perf_counter()
    service.stop()
    while status(service.endpoint) != 503:
        if time.perf_counter() - began > 10:
            raise SystemExit("the route never changed")
    taken = (time.perf_counter() - began) * 1000
    service.wait(timeout=60)
    return taken


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


if __name__ == "__main__":
    main()
