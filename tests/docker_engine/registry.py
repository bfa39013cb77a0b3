"""A registry of one's own that wants a password."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.docker_engine.parts import free_port, need, program
from tests.waiting import until


@dataclass(frozen=True)
class Registry:
    """``address`` goes in front of an image's name; engines use it without TLS, since it is on the loopback."""

    address: str
    user: str
    password: str
    process: subprocess.Popen[bytes]

    @property
    def auth(self) -> dict[str, str]:
        """The SDK's ``auth_config``."""
        return {"username": self.user, "password": self.password}

    def repositories(self) -> list[str]:
        """What has been pushed."""
        answer = httpx.get(f"http://{self.address}/v2/_catalog", auth=(self.user, self.password))
        return list(answer.raise_for_status().json()["repositories"])


@contextmanager
def registry(user: str = "ann", password: str = "quiet-harbour") -> Iterator[Registry]:
    """A registry on the loopback, empty, until the end of the block."""
    need("a Docker registry", "docker-registry", "htpasswd")
    with tempfile.TemporaryDirectory(prefix="mlserve-registry-") as name:
        folder, address = Path(name), f"127.0.0.1:{free_port()}"
        _configure(folder, address, user, password)
        command = [program("docker-registry"), "serve", str(folder / "config.json")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: _asks_for_a_password(address), "an answer of the registry")
            yield Registry(address, user, password, process)
        finally:
            process.kill()
            process.wait(30)


def _configure(folder: Path, address: str, user: str, password: str) -> None:
    command = [program("htpasswd"), "-Bbn", user, password]
    (folder / "htpasswd").write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address, "secret": "of-one-process"},
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}},
    }
    (folder / "config.json").write_text(json.dumps(config))  # JSON is YAML


def _asks_for_a_password(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/v2/").status_code == httpx.codes.UNAUTHORIZED
    except httpx.TransportError:
        return False
