"""`mlserve upload`: what it prints goes into a descriptor, which then needs the file no more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.s3_server import s3_client

pytestmark = pytest.mark.timeout(300)
EXAMPLE = ROOT / "examples" / "iris"


def mlserve(*words: str | Path) -> str:
    command = [sys.executable, "-m", "mlserve_cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The model of the iris example, in a place that goes away."""
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(EXAMPLE / "iris.onnx", folder)
    return folder


def test_what_was_uploaded_to_the_hub_is_served_when_the_file_is_gone(home: Path, mine: Path, tmp_path: Path) -> None:
    address = mlserve("upload", mine / "iris.onnx").strip()
    assert address.startswith("content://sha256:")
    shutil.rmtree(mine)
    served(address, tmp_path)


def test_what_was_uploaded_to_a_bucket_is_fetched_from_there(
    home: Path, mine: Path, tmp_path: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "OSS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    address = mlserve("upload", mine, f"s3://models/{tmp_path.name}").strip()
    assert address == f"s3://models/{tmp_path.name}/"
    found = s3_client(s3_endpoint).list_objects_v2(Bucket="models", Prefix=tmp_path.name)
    assert [item["Key"] for item in found["Contents"]] == [f"{tmp_path.name}/iris.onnx"]
    shutil.rmtree(mine)
    served(f"{address}iris.onnx", tmp_path)


def served(address: str, folder: Path) -> None:
    descriptor = {"name": "up", "processor": "onnx", "model_path": address, "metadata": {"instance": 1, "memory": 256}}
    (folder / "service.json").write_text(json.dumps(descriptor))
    mlserve("create", folder / "service.json")
    answer = json.loads(mlserve("predict", "up", "--file", EXAMPLE / "request.json"))
    assert answer["species"] == ["setosa", "versicolor", "virginica"]
