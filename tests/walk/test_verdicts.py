"""What `validate`, `test` and `doctor` say when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROCESSOR = """
from mlserve.runtime import Processor
class Echo(Processor):
    def load(self, path, config):
        print("hello from load")
    def predict(self, inputs):
        raise KeyError("no such column")
"""


def mlserve(*words: str) -> tuple[int, str, str]:
    program = [sys.executable, "-c", "from mlserve_cli.main import run; run()", *words]
    done = subprocess.run(program, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100, check=False)
    return done.returncode, done.stdout, done.stderr


def write(folder: Path, **descriptor: Any) -> str:
    path = folder / "service.json"
    path.write_text(json.dumps({"name": "echo", "metadata": {"instance": 1, "memory": 256}, **descriptor}))
    return str(path)


def last_error(stderr: str) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(stderr.splitlines()[-1])["error"]
    return error


def test_a_verdict_is_one_document_however_wrong_the_descriptor_is(home: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"<html>not found</html>")
    wrong = {
        "unknown-field": {"procesor": "onnx"},
        "corrupt-model": {"processor": "onnx", "model_path": "model.onnx"},
        "not-found": {"processor": "onnx", "model_path": "file:///nowhere/model.onnx"},
    }
    for code, descriptor in wrong.items():
        status, stdout, stderr = mlserve("validate", write(tmp_path, **descriptor), "-o", "json")
        verdict, error = json.loads(stdout), last_error(stderr)
        assert (status, verdict["valid"]) == (2, False), code
        detail = next(one for one in verdict["errors"] if one["code"] == code)
        assert detail["pointer"] in ("/procesor", "/model_path")
        assert detail["message"]
        assert error["details"] == verdict["errors"]


def test_a_descriptor_for_which_there_is_no_room_is_right_but_refused(home: Path, tmp_path: Path, iris: Path) -> None:
    assert mlserve("validate", str(iris), "--set", "metadata.memory=9000000")[0] == 8


def test_a_trial_that_fails_shows_the_log_of_the_instance_that_is_gone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(PROCESSOR)
    path = write(tmp_path, processor_type="python", processor_path="code", processor_entry="app.py")
    status, _, stderr = mlserve("test", path, "--data", '{"x": 1}')
    assert status == 1
    assert "hello from load" in stderr
    assert "no such column" in stderr
    assert "mlserve logs" not in stderr, "the instance is gone"


def test_the_doctor_sees_a_home_that_no_hub_can_open(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "home.json").write_text('{"format": 99}')
    status, stdout, _ = mlserve("doctor", "-o", "json")
    check = next(one for one in json.loads(stdout)["checks"] if one["name"] == "home")
    assert (status, check["ok"]) == (1, False)
    assert "MLSERVE_HOME" in check["fix"]
