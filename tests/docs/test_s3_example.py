"""The example of a model in a bucket runs as it is written: service, upload, create, predict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import ROOT
from tests.s3_server import PORTS, free_ports

EXAMPLE = ROOT / "examples" / "s3"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_s3_example_answers_its_request(home: Path) -> None:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    rest = " ".join(f"-{name}={port}" for name, port in ports.items() if name != "s3.port")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OSS_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PORT": str(ports["s3.port"]),
        "S3_OPTIONS": f"{rest} -s3.port.iceberg=0 -s3.port.lance=0 -volume.max=20 -master.volumeSizeLimitMB=64",
    }
    done = subprocess.run([EXAMPLE / "run.sh"], env=environment, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "s3://models/progression.onnx"
    answer = next(json.loads(line) for line in lines if line.startswith("{"))
    assert [value for (value,) in answer["progression"]] == pytest.approx([205.486, 68.634, 176.265], abs=1e-3)
