"""What the gateway's tests share: instances to kill, a gateway of its own per test, load that counts failures."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mlserve.gateway.envoy import Gateway
from tests.waiting import until

TOKEN = "s3cret+to.ken"
SECRET = "probe-secret"
UPSTREAM = Path(__file__).with_name("upstream.py")


@dataclass
class Instance:
    name: str
    address: str
    process: subprocess.Popen[bytes]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def instances(*names: str) -> Iterator[list[Instance]]:
    """Small real servers, answering."""
    started = []
    for name in names:
        port = free_port()
        process = subprocess.Popen([sys.executable, str(UPSTREAM), str(port), name])
        started.append(Instance(name, f"127.0.0.1:{port}", process))
    try:
        for instance in started:
            until(lambda instance=instance: _answers(instance.address))  # type: ignore[misc]
        yield started
    finally:
        for instance in started:
            instance.process.kill()
            instance.process.wait()


def _answers(address: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://{address}/").status_code == 200
    return False


@asynccontextmanager
async def gateway(directory: Path, listen: str = "127.0.0.1:0") -> AsyncIterator[Gateway]:
    """A started gateway; its Envoy ends with the test."""
    made = Gateway(directory / "gateway", listen)
    await made.start()
    try:
        yield made
    finally:
        kill_envoy(directory / "gateway")


def kill_envoy(directory: Path) -> None:
    """End the Envoy that a directory's record names, whoever started it."""
    with suppress(FileNotFoundError, ProcessLookupError, ChildProcessError):
        pid = json.loads((directory / "envoy.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def client(made: Gateway, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://{made.address}/api/predict", headers={"authorization": TOKEN}, timeout=20, **options
    )


@dataclass
class Load:
    """Constant load on one path; what went wrong is in ``failures``."""

    ask: httpx.AsyncClient
    path: str = "/iris"
    done: int = 0
    failures: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def running(self, workers: int = 8) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        try:
            await self.more(50)
            yield
            await self.more(50)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def more(self, count: int) -> None:
        """Let that many more requests pass."""
        wanted = self.done + count
        async with asyncio.timeout(30):
            while self.done < wanted:  # noqa: ASYNC110 - polled, so that the workers stay simple
                await asyncio.sleep(0.01)

    async def _work(self) -> None:
        while True:
            try:
                answer = await self.ask.post(self.path, content=b"x" * 1000)
                if answer.status_code == 200:
                    self.names.add(answer.json()["name"])
                else:
                    self.failures.append(f"{answer.status_code} {answer.text}")
            except httpx.HTTPError as exc:
                self.failures.append(repr(exc))
            self.done += 1
