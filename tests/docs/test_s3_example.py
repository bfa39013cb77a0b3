"""The example of a model in a bucket runs as it is written: service, upload, create, predict."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.docs.pages import ROOT
from tests.s3_server import PORTS, free_ports

EXAMPLE = ROOT / "examples" / "s3"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_s3_example_answers_its_request_whatever_hub_runs_before_it(home: Path) -> None:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    subprocess.run(["mlserve", "list"], env=_environment(ports), check=True, timeout=60)  # a hub without credentials
    done = _run(ports)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "s3://models/progression.onnx"
    answer = next(json.loads(line) for line in lines if line.startswith("{"))
    assert [value for (value,) in answer["progression"]] == pytest.approx([205.486, 68.634, 176.265], abs=1e-3)


@pytest.mark.timeout(300)
def test_an_s3_service_that_does_not_start_is_told_with_its_reason(home: Path) -> None:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with socket.create_server(("127.0.0.1", ports["volume.port"])):
        done = _run(ports)
    assert done.returncode == 1
    assert "did not start" in done.stderr
    assert f"127.0.0.1:{ports['volume.port']}: bind: address already in use" in done.stderr


def _run(ports: Mapping[str, int]) -> subprocess.CompletedProcess[str]:
    command = [EXAMPLE / "run.sh"]
    return subprocess.run(command, env=_environment(ports), capture_output=True, text=True, timeout=150)


def _environment(ports: Mapping[str, int]) -> dict[str, str]:
    rest = " ".join(f"-{name}={port}" for name, port in ports.items() if name != "s3.port")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OSS_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PORT": str(ports["s3.port"]),
        "S3_OPTIONS": f"{rest} -s3.port.iceberg=0 -s3.port.lance=0 -volume.max=20 -master.volumeSizeLimitMB=64",
    }
