"""The command line against a real hub: what is printed where, and the exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until

pytestmark = pytest.mark.timeout(300)

FAILING = """
class Model:
    def load(self, path, config):
        raise ValueError("boom")

    def predict(self, inputs):
        return inputs
"""
SLOW = """
import time


class Model:
    def load(self, path, config):
        time.sleep(600)

    def predict(self, inputs):
        return inputs
"""


def mlserve(*arguments: str | Path, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(
        [sys.executable, "-m", "mlserve_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, **environment},
        check=False,
        **given,  # type: ignore[call-overload]
    )


def document(*arguments: str | Path) -> Any:
    """The one JSON document of a command that succeeds."""
    result = mlserve(*arguments, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def error(result: subprocess.CompletedProcess[str]) -> Any:
    """The error in the last line of stderr."""
    return json.loads(result.stderr.splitlines()[-1])["error"]


def processor(folder: Path, name: str, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(code)
    descriptor = {
        "name": name,
        "processor_type": "python",
        "processor_path": ".",
        "processor_entry": "app.py:Model",
        "metadata": {"instance": 1, "cpu": 0.1, "memory": 300},
    }
    (folder / "service.json").write_text(json.dumps(descriptor))
    return folder / "service.json"


@pytest.fixture
def serving(home: Path, iris: Path) -> Any:
    return document("create", iris)


def test_create_prints_endpoint_token_and_a_line_to_paste_that_works(home: Path, iris: Path) -> None:
    result = mlserve("create", iris)
    assert result.returncode == 0, result.stderr
    assert "iris iris-1-" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    service = document("describe", "iris")
    assert service["endpoint"] in result.stdout
    assert service["token"] in result.stdout
    pasted = next(line for line in result.stdout.splitlines() if "curl" in line).partition("curl")[2]
    answer = subprocess.run(f"curl -sS {pasted}", shell=True, capture_output=True, text=True, timeout=30, check=True)
    assert "species" in json.loads(answer.stdout)


def test_the_verbs_of_a_service_from_create_to_delete(serving: dict[str, Any], iris: Path) -> None:
    assert serving["status"] == "Running"
    assert serving["endpoint"].startswith("http://")
    assert [service["name"] for service in document("ls")] == ["iris"]
    assert document("w", "iris")[0]["state"] == "Ready"
    assert mlserve("create", iris).returncode == 4

    request = iris.parent / "request.json"
    asked = document("predict", "iris", "--file", request)
    assert document("predict", "iris", "--data", request.read_text()) == asked
    assert json.loads(mlserve("predict", "iris", "-", stdin=request.read_text()).stdout) == asked
    assert mlserve("predict", "iris", "--data", '{"x": 1}').returncode == 2
    assert mlserve("predict", "iris", "--data", "{").returncode == 2
    assert mlserve("predict", "iris").returncode == 2

    assert len(document("scale", "iris", "2")["instances"]) == 2
    assert document("update", "iris", "--set", "metadata.cpu=0.5")["version"] == 2
    assert len(document("versions", "iris")) == 2
    assert document("stop", "iris")["status"] == "Stopped"
    assert document("start", "iris")["status"] == "Running"
    assert document("restart", "iris")["status"] == "Running"
    assert document("why", "iris")["failures"] == []
    assert "ready" in mlserve("logs", "iris", "--tail", "20", "--since", "10m").stdout
    assert document("logs", "iris", "--tail", "1")[0]["instance"].startswith("iris-")

    refused = mlserve("delete", "iris", "-o", "json")
    assert refused.returncode == 2
    assert "-y" in error(refused)["hint"]
    assert document("delete", "iris", "-y") == {"name": "iris", "deleted": True}
    for verb in ("describe", "why", "logs", "instances", "versions", "stop"):
        gone = mlserve(verb, "iris", "-o", "json")
        assert (gone.returncode, error(gone)["code"], gone.stdout) == (3, "not-found", "")
    assert mlserve("delete", "iris", "-y").returncode == 3


def test_a_wrong_descriptor_is_exit_2_and_starts_nothing(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text(json.dumps({"name": "iris", "processr": "onnx", "metadata": {"instance": 1}}))
    result = mlserve("create", path, "-o", "json")
    assert (result.returncode, result.stdout) == (2, "")
    assert any(detail["pointer"] == "/processr" for detail in error(result)["details"])
    assert mlserve("create", tmp_path / "none.json").returncode == 2
    assert not (home / "hub.json").exists() or document("list") == []


def test_a_failed_start_explains_itself_at_once_and_again_with_why(home: Path, tmp_path: Path) -> None:
    path = processor(tmp_path / "bad", "bad", FAILING)
    result = mlserve("create", path)
    assert result.returncode == 1
    again = mlserve("why", "bad")
    assert again.returncode == 0
    for said in (result.stderr, again.stdout):
        assert "load (load-exception)" in said
        assert "app.py:4 in load" in said
        assert "boom" in said
    assert document("why", "bad")["failures"][0]["cause"] == "load-exception"
    assert document("describe", "bad")["status"] == "Failed"


def test_a_failed_update_is_exit_9_and_the_old_version_serves(
    serving: dict[str, Any], tmp_path: Path, iris: Path
) -> None:
    result = mlserve("update", "iris", processor(tmp_path / "bad", "iris", FAILING), "-o", "json")
    assert (result.returncode, error(result)["code"]) == (9, "update-failed")
    assert document("describe", "iris")["status"] == "Running"
    assert mlserve("predict", "iris", "--file", iris.parent / "request.json").returncode == 0
    assert mlserve("scale", "iris", "1").returncode == 0


def test_ctrl_c_and_a_time_limit_leave_it_in_a_stated_condition(home: Path, tmp_path: Path) -> None:
    path = processor(tmp_path / "slow", "slow", SLOW)
    limited = mlserve("create", path, "--timeout", "2s", "-o", "json")
    assert (limited.returncode, error(limited)["code"]) == (7, "timed-out")
    assert document("describe", "slow")["status"] == "Creating"
    mlserve("delete", "slow", "-y")

    command = [sys.executable, "-m", "mlserve_cli", "create", str(path), "-o", "json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: document("list"), "its first look")
    child.send_signal(signal.SIGINT)
    out, said = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    told = json.loads(said.splitlines()[-1])["error"]
    assert "goes on in the background" in told["message"]
    assert "mlserve delete slow undoes it" in told["hint"]
    assert document("describe", "slow")["status"] == "Creating"
    assert mlserve("delete", "slow", "-y").returncode == 0


def test_a_trial_answers_and_leaves_nothing_behind(home: Path, iris: Path) -> None:
    generated = document("test", iris)
    assert generated["generated"]
    assert "species" in generated["answer"]
    given = document("test", iris, "--file", iris.parent / "request.json")
    assert len(given["answer"]["species"]) > 0
    until(lambda: document("list") == [], "the end of the trial")


def test_validate_says_what_it_looked_at(home: Path, iris: Path, tmp_path: Path) -> None:
    assert document("validate", iris)["valid"] is True
    assert document("validate", iris, "--no-fetch")["valid"] is True
    path = tmp_path / "service.json"
    path.write_text(iris.read_text())
    missing = mlserve("validate", path, "-o", "json")
    assert missing.returncode == 2
    assert "iris.onnx" in error(missing)["message"]
    assert mlserve("validate", path, "--no-fetch").returncode == 0


def test_a_hub_elsewhere_gets_the_files_sent(
    serving: dict[str, Any], iris: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.loads(Path(os.environ["MLSERVE_HOME"], "hub.json").read_text())
    elsewhere = {"MLSERVE_HOME": str(tmp_path / "other")}
    added = mlserve("context", "add", "box", record["url"], "--token", record["token"], "--use", **elsewhere)
    assert added.returncode == 0, added.stderr
    assert record["token"] not in mlserve("context", "list", "-o", "json", **elsewhere).stdout
    created = mlserve("create", iris, "--set", "name=second", **elsewhere)
    assert created.returncode == 0, created.stderr
    model = tmp_path / "big" / "iris.onnx"
    model.parent.mkdir()
    model.write_bytes((iris.parent / "iris.onnx").read_bytes() + b"\0" * 10)
    assert mlserve("validate", iris, "--set", f"model_path={model}", "--no-fetch", **elsewhere).returncode == 0
    denied = mlserve("list", "-o", "json", MLSERVE_HUB=record["url"], MLSERVE_TOKEN="wrong", **elsewhere)
    assert (denied.returncode, error(denied)["code"]) == (5, "denied")
    assert mlserve("delete", "second", "-y", **elsewhere).returncode == 0
    assert not (tmp_path / "other" / "hub.json").exists()


def test_resource_groups_are_listed_and_described(home: Path) -> None:
    assert [group["name"] for group in document("resource", "list")] == ["local"]
    assert document("resource", "describe", "local")["backend"] == "local"
    assert mlserve("resource", "describe", "nope").returncode == 3
    assert mlserve("resource", "add", "box", "nonsense").returncode == 2


def test_no_hub_at_the_address_is_exit_6(home: Path) -> None:
    result = mlserve("list", "-o", "json", MLSERVE_HUB="http://127.0.0.1:9")
    assert (result.returncode, error(result)["code"]) == (6, "hub-unreachable")
