"""One engine: dockerd with folders, a socket and a bridge of its own, which can be killed and started again."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import psutil
import pytest

from tests.docker_engine import remains
from tests.docker_engine.network import Network, claim
from tests.docker_engine.parts import PATH, free_port, locked, need, program
from tests.docker_engine.tls import TlsFiles, make_tls
from tests.waiting import until

CONTAINERD = "exec/containerd/containerd.pid"


class EngineFailed(Exception):
    """dockerd did not start, or ended."""


@dataclass
class Engine:
    """A running engine. ``host`` and ``env`` say where it is; ``kill`` and ``start`` end it hard and bring it back."""

    folder: Path
    network: Network
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tls: TlsFiles | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def env(self) -> dict[str, str]:
        """For programs that are to use it."""
        return {"DOCKER_HOST": self.host}

    def client(self) -> docker.DockerClient:
        """A client of the SDK, to be closed by who asked."""
        return docker.DockerClient(base_url=self.host, timeout=60)

    def start(self) -> None:
        """Start dockerd on its folders, and wait until it answers. Without ``--live-restore`` its containers ended."""
        for name in ("pid", CONTAINERD):
            if not pid_of(self.folder / name):  # of a killed one, whose number may be another program's by now
                (self.folder / name).unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**_inherited(), **self.environment}, cwd=self.folder,
            )  # fmt: skip
        try:
            until(self._up, "an answer of dockerd", 60)
        except (TimeoutError, EngineFailed) as exc:
            raise EngineFailed(f"{exc}: {self.log_tail(3)}") from exc

    def kill(self) -> None:
        """SIGKILL of dockerd; what runs in containers goes on until it is started again (or with --live-restore)."""
        assert self.process, "the engine does not run"
        self.process.kill()
        self.process.wait(30)
        self.process = None
        until(lambda: not pid_of(self.folder / CONTAINERD), "the end of its containerd, which goes with it")

    def stop(self) -> None:
        """End dockerd as its service manager would."""
        assert self.process, "the engine does not run"
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that dockerd wrote."""
        text = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def close(self) -> None:
        """End the engine with everything in it and of it."""
        if self.process:
            self.kill()
        remains.clear(self.folder, self.network)

    def _up(self) -> bool:
        assert self.process
        if self.process.poll() is not None:
            raise EngineFailed(f"dockerd ended with {self.process.returncode}")
        return self.answers()

    def answers(self) -> bool:
        """Whether it answers now."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return connection.recv(15).startswith(b"HTTP/1.0 200")
            except OSError:
                return False

    def _command(self) -> list[str]:
        folder, name = self.folder, self.network.bridge
        return [
            "dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid",
            f"--host={self.host}", "--log-level=warn", f"--cgroup-parent=/{name}",
            "--exec-opt=native.cgroupdriver=cgroupfs", f"--containerd-namespace={name}",
            f"--containerd-plugins-namespace={name}-plugins", f"--config-file={folder}/daemon.json",
            *self.network.arguments, *(self.tls.arguments if self.tls else ()), *self.arguments,
        ]  # fmt: skip


@contextmanager
def engine(*arguments: str, tls: bool = False, environment: Mapping[str, str] | None = None) -> Iterator[Engine]:
    """An engine of one's own until the end of the block; skips the test where this machine cannot have one.

    Further arguments are dockerd's (``"--live-restore"``), ``environment`` is set for it (``{"PATH": …}`` with a stub
    in front). With ``tls`` it also listens at ``.tls.host``, for clients with the files that ``.tls`` names.
    """
    need("Docker", "dockerd", "ip", "iptables", "openssl")
    try:
        with locked("engines"):
            remains.sweep()
            network = claim()
            folder = remains.folder_of(network)
            folder.mkdir(mode=0o700)
    except PermissionError as exc:
        pytest.skip(f"needs Docker: {exc}")
    (folder / "daemon.json").write_text(json.dumps(_configuration(folder)))
    files = make_tls(folder / "tls", free_port()) if tls else None
    running = Engine(folder, network, arguments, environment or {}, files)
    try:
        try:
            running.start()
        except EngineFailed as exc:
            pytest.skip(f"needs Docker: {exc}")
        yield running
    finally:
        running.close()


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "MLSERVE_"))}
    return {**kept, "PATH": PATH}


def pid_of(file: Path) -> int | None:
    """The process that a pid file names, unless it has ended: one that nobody waited for may still be listed."""
    try:
        process = psutil.Process(int(file.read_text()))
        return None if process.status() == psutil.STATUS_ZOMBIE else process.pid
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def _configuration(folder: Path) -> dict[str, str]:
    """In place of what /etc says; there is also the one identity that all engines before version 23 would share."""
    version = subprocess.run([program("dockerd"), "--version"], capture_output=True, text=True, check=True).stdout
    major = re.search(r"version (\d+)", version)
    return {"deprecated-key-path": f"{folder}/key.json"} if major and int(major[1]) < 23 else {}
