"""`create` to the first answer of a container on a warm engine, beside `docker run` and curl of the same image.

The engine is the one that `docker` itself would use (DOCKER_HOST, or the usual socket).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.home import fresh_home, mlserve
from benchmarks.measure import Times, alternate, conditions, ratio

IRIS = Path(__file__).parent.parent / "examples" / "iris"
REQUEST = IRIS / "request.json"
ROUNDS = 7
REQUESTS = 300
SETTINGS = ("--set", "metadata.resource=box", "--set", "metadata.memory=256")


def main() -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        print("left out: no Docker engine answers (DOCKER_HOST says which one)")
        return
    with fresh_home():
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        mlserve("resource", "add", "box", "--backend", "docker", "--host", host)
        built = seconds(lambda: served("iris"))
        image = docker("ps", "--filter", "label=mlserve.service=iris", "--format", "{{.Image}}").splitlines()[0]
        hub, by_hand = starts(image)
        gateway, straight = requests(image)
        mlserve("delete", "iris", "-y")
    print(f"{conditions()}; {ROUNDS} rounds, {REQUESTS} requests, hub running, engine warm\n")
    print("| | median [min–max] | bar |\n|---|---|---|")
    print(f"| `create` + `predict` of iris as a container, its packages in the engine | {hub} | 5000 ms |")
    print(f"| the very first, with its packages installed into the image | {1000 * built:.0f} ms | |")
    print(f"| `docker run` of the same image + curl until it answers | {by_hand} | |")
    print(f"| create against docker run, round by round | {ratio(hub, by_hand)} | |")
    print(f"| a request through the gateway | {micro(gateway)} | |")
    print(f"| the same straight to a container that `docker run` started | {micro(straight)} | |")


def starts(image: str) -> tuple[Times, Times]:
    """A service under a new name in each round, as a user types it, and the same by hand."""
    ours, theirs = [], []
    for number in range(ROUNDS):
        name = f"iris-{number}"
        ours.append(seconds(lambda name=name: served(name)))  # type: ignore[misc]
        theirs.append(seconds(lambda: answered(image)))
        mlserve("delete", name, "-y")
    return Times(ours), Times(theirs)


def served(name: str) -> None:
    mlserve("create", str(IRIS / "service.json"), "--set", f"name={name}", *SETTINGS)
    json.loads(mlserve("predict", name, "--file", str(REQUEST)))


def answered(image: str) -> None:
    with docker_run(image) as address:
        command = ["curl", "--silent", "--fail", "--data", f"@{REQUEST}", "--output", os.devnull, f"http://{address}/"]
        deadline = time.monotonic() + 60
        while subprocess.run(command, capture_output=True).returncode:
            if time.monotonic() > deadline:
                raise SystemExit(f"{image} never answers")
            time.sleep(0.02)


def requests(image: str) -> tuple[Times, Times]:
    """One after the other on a kept connection, through the gateway and straight."""
    service = json.loads(mlserve("describe", "iris", "-o", "json"))
    body, header = REQUEST.read_bytes(), {"authorization": service["token"], "content-type": "application/json"}
    answered(image)  # its files are read now
    with docker_run(image) as address, httpx.Client(headers=header) as client:

        def ask(url: str) -> None:
            client.post(url, content=body).raise_for_status()

        until_up(lambda: ask(f"http://{address}/"))
        taken = alternate(
            {"gateway": lambda: ask(service["endpoint"]), "straight": lambda: ask(f"http://{address}/")}, REQUESTS
        )
    return taken["gateway"], taken["straight"]


@contextmanager
def docker_run(image: str) -> Iterator[str]:
    """A container by hand, gone afterwards; gives ``host:port``."""
    container = docker("run", "--detach", "--publish", "127.0.0.1::8080", image)
    try:
        yield docker("port", container, "8080/tcp").splitlines()[0]
    finally:
        docker("rm", "--force", container)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def until_up(ask: Callable[[], None]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def micro(times: Times) -> str:
    low, middle = (1e6 * value for value in (min(times.seconds), times.median))
    return f"{middle:.0f} µs [{low:.0f}–]"


if __name__ == "__main__":
    main()
