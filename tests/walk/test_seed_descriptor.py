"""A descriptor as EAS's documentation has it, unchanged: refused with all that is short, and served with less."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mlserve.client import Client
from tests.s3_server import s3_client

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]
SEED = Path(__file__).with_name("seed_service.json")
EXAMPLE = ROOT / "examples" / "triton"
BUCKET = "triton-model-repo"


@pytest.fixture
def oss(s3_endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """OSS as the hub of this test knows it; the bucket is there, and empty."""
    monkeypatch.setenv("OSS_ENDPOINT", s3_endpoint)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "secret")
    found = s3_client(s3_endpoint)
    with suppress(found.exceptions.BucketAlreadyOwnedByYou):  # the server is there for all tests
        found.create_bucket(Bucket=BUCKET)
    for item in found.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        found.delete_object(Bucket=BUCKET, Key=item["Key"])
    return found


def fill(oss: Any) -> None:
    for file in (EXAMPLE / "models").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            oss.upload_file(str(file), BUCKET, f"models/{file.relative_to(EXAMPLE / 'models')}")


def mlserve(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlserve_cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL, env=os.environ, check=False
    )


def settings(**metadata: int) -> list[str]:
    return [word for name, value in metadata.items() for word in ("--set", f"metadata.{name}={value}")]


def refusal(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    result = mlserve(*arguments, "-o", "json")
    return result.returncode, json.loads(result.stderr.splitlines()[-1])["error"]


def short_here(client: Client, wanted: dict[str, float]) -> set[str]:
    """What this machine lacks of it, by what the hub says it has."""
    capacity = client.resources.get("local")["capacity"]
    free = {"cpu": capacity["cpu"], "gpu": capacity["gpus_free"] or 0, "memory": capacity["memory_free_mb"]}
    return {f"/metadata/{name}" for name, value in wanted.items() if value > free[name]}


def test_as_it_stands_it_is_refused_with_each_shortfall_and_nothing_is_left_of_it(oss: Any, client: Client) -> None:
    fill(oss)
    short = short_here(client, {"cpu": 4, "gpu": 1, "memory": 10000})
    if not short:
        pytest.skip("this machine has all that it asks for")
    code, error = refusal("create", SEED)
    assert code == 8
    assert {detail["pointer"] for detail in error["details"]} == short
    assert all(detail["message"] in error["message"] for detail in error["details"])
    assert all(f"--set {pointer[1:].replace('/', '.')}=" in error["hint"] for pointer in short)
    assert list(client.services.list()) == []


def test_what_is_wrong_with_the_storage_is_told_in_the_same_answer(oss: Any, client: Client) -> None:
    short = short_here(client, {"cpu": 4, "gpu": 1, "memory": 10000})
    _, error = refusal("create", SEED)
    assert {detail["pointer"] for detail in error["details"]} == {*short, "/processor_params/0"}
    assert "models" in error["message"]
    code, error = refusal("create", SEED, *settings(cpu=1, gpu=0, memory=900))
    assert code == 1
    assert [(detail["pointer"], detail["code"]) for detail in error["details"]] == [("/processor_params/0", "missing")]


def test_problems_of_the_storage_are_told_apart_within_seconds(oss: Any, client: Client) -> None:
    fill(oss)
    less = settings(cpu=1, gpu=0, memory=900)
    elsewhere = ["--set", 'processor_params=["--model-repository=oss://no-such-bucket/models"]']
    away = ["--set", "oss_endpoint=http://127.0.0.1:9"]
    for more, said in ((elsewhere, "missing-bucket"), (away, "unreachable")):
        begun = time.monotonic()
        code, error = refusal("create", SEED, *less, *more)
        assert (code, error["details"][0]["code"]) == (1, said)
        assert error["details"][0]["pointer"] == "/processor_params/0"
        assert time.monotonic() - begun < 30
    assert list(client.services.list()) == []


def test_with_what_this_machine_has_it_serves(oss: Any, client: Client) -> None:
    fill(oss)
    less = settings(cpu=1, gpu=0)
    if short_here(client, {"memory": 10000}):
        less += settings(memory=900)
    result = mlserve("create", SEED, *less)
    assert result.returncode == 0, result.stderr
    answer = json.loads(mlserve("predict", "triton_test", "--file", EXAMPLE / "request.json").stdout)
    assert answer["outputs"][0]["data"] == ["class_0", "class_1", "class_2"]
    described = json.loads(mlserve("describe", "triton_test", "-o", "json").stdout)
    assert described["warnings"] == []
    assert described["descriptor"]["processor_params"][0] == "--model-repository=oss://triton-model-repo/models"
    secrets = ("secret", os.environ["OSS_ENDPOINT"])
    assert not any(word in json.dumps(described["instances"]) for word in secrets)
    assert "secret" not in mlserve("logs", "triton_test").stdout
