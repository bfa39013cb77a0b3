"""An ssh server of one's own on the loopback, for engines that are reached by ssh."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.docker_engine.parts import free_port, need, program
from tests.waiting import until

ALIAS = "gpu-box"


@dataclass
class Sshd:
    """``ssh -F CONFIG gpu-box`` gets in, and so does plain ``ssh gpu-box`` of programs started with ``env``."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def key(self) -> Path:
        return self.folder / "client"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def env(self) -> dict[str, str]:
        """A PATH on which ``ssh`` reads our config: it looks for a user's own in the home of /etc/passwd alone."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def start(self) -> None:
        """Start the server, and wait until it greets."""
        command = [program("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._greets, "a greeting of sshd")

    def stop(self) -> None:
        """End the server and cut what goes through it; ``start`` brings it back at the same port."""
        assert self.process, "sshd does not run"
        self.cut()
        self.process.kill()
        self.process.wait(30)
        self.process = None

    def cut(self) -> None:
        """Cut every connection; new ones are let in."""
        assert self.process, "sshd does not run"
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that sshd wrote."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-lines:])

    def _greets(self) -> bool:
        done = subprocess.run([program("ssh"), "-F", str(self.config), ALIAS, "true"], capture_output=True, check=False)
        return done.returncode == 0


@contextmanager
def sshd() -> Iterator[Sshd]:
    """An ssh server until the end of the block, known under ``gpu-box``; it takes one client's key, which is there."""
    need("an ssh server", "sshd", "ssh", "ssh-keygen")
    Path("/run/sshd").mkdir(exist_ok=True)  # where it gives up its rights; the distribution's service makes it
    with tempfile.TemporaryDirectory(prefix="mlserve-sshd-") as name:
        server = Sshd(Path(name), free_port())
        _make_keys(server.folder)
        _configure(server)
        try:
            server.start()
            yield server
        finally:
            if server.process:
                server.stop()


def _make_keys(folder: Path) -> None:
    for name in ("host", "client"):
        command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True, capture_output=True)


def _configure(server: Sshd) -> None:
    folder = server.folder
    public = (folder / "host.pub").read_text()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {server.port}\nHostKey {folder / 'host'}\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'client.pub'}\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "UsePAM no\nPermitRootLogin prohibit-password\nAllowStreamLocalForwarding yes\n"
    )
    server.config.write_text(
        f"Host {ALIAS}\n  HostName 127.0.0.1\n  Port {server.port}\nHost {ALIAS} 127.0.0.1\n  User {server.user}\n"
        f"  IdentityFile {server.key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}\n"
        "  StrictHostKeyChecking yes\n"
    )
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {program("ssh")} -F {server.config} "$@"\n')
    wrapper.chmod(0o755)
