"""Real instances for the runtime's tests: the serving program as a process, and a connection to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import waiting

SOURCE = Path(__file__).parents[2] / "src"
IRIS = Path(__file__).parents[2] / "examples" / "iris" / "iris.onnx"
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A started instance."""

    process: subprocess.Popen[bytes]
    port: int
    report_file: Path
    log_file: Path
    clients: list[socket.socket] = field(default_factory=list)
    """Closed with the instance, where a test did not close them."""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def connect(self) -> socket.socket:
        self.clients.append(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        return self.clients[-1]

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back for these bytes, sent and then half-closed."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    @property
    def report(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.report_file.read_text().splitlines()]
            if self.report_file.exists()
            else []
        )

    @property
    def failure(self) -> dict[str, Any]:
        return next(line["failure"] for line in self.report if "failure" in line)

    @property
    def facts(self) -> dict[str, Any]:
        return next(line["facts"] for line in self.report if "facts" in line)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def read_all(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def launch(home: Path, **spec: Any) -> Running:
    """Start an instance without waiting for it; ``python`` is the interpreter to run it with."""
    python = spec.pop("python", sys.executable)
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    told = {"service": "iris", "version": 3, "processor": "onnx", "cpu": 1, "drain_seconds": 10} | spec
    report, log = home / "report.jsonl", home / "log"
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "PORT": str(port), "MLSERVE_INSTANCE": "i-1",
        "MLSERVE_REPORT": str(report), "MLSERVE_RUNTIME": json.dumps(told), "HOME": str(home),
    }  # fmt: skip
    with log.open("wb") as out:
        command = [str(python), "-m", "mlserve.runtime"]
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=out, stderr=subprocess.STDOUT)
    return Running(process, port, report, log)


@contextmanager
def serving(home: Path, **spec: Any) -> Iterator[Running]:
    """A ready instance, ended afterwards."""
    instance = launch(home, **spec)
    try:
        until(lambda: any(line.get("phase") == "ready" for line in instance.report), instance, seconds=60)
        yield instance
    finally:
        for client in instance.clients:
            client.close()
        instance.process.kill()
        instance.process.wait()


def failed(home: Path, **spec: Any) -> Running:
    """An instance whose start failed, after its end."""
    instance = launch(home, **spec)
    instance.process.wait(60)
    return instance


def until(true: Any, instance: Running | None = None, seconds: float = 30) -> None:
    """Poll until it holds, or the instance has ended."""

    def holds() -> Any:
        if instance is not None and instance.process.poll() is not None:
            raise AssertionError(f"the instance ended with {instance.process.returncode}:\n{instance.log}")
        return true()

    try:
        waiting.until(holds, seconds=seconds)
    except TimeoutError as exc:
        raise AssertionError(f"{exc}" + (f":\n{instance.log}" if instance else "")) from exc


def processor(home: Path, text: str, name: str = "processor.py") -> str:
    """A folder with the user's file in it."""
    folder = home / "own"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return str(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
