"""Starts of real instances: phases, facts, warm-up, and failures that explain themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from runtime_kit import IRIS, ROW, SOURCE, failed, launch, processor, serving, until

GOOD = (
    "from mlserve.runtime import Processor\n"
    "class Mine(Processor):\n    def predict(self, inputs): return {'y': inputs['x']}\n"
)


def own(tmp_path: Path, text: str, **more: object) -> dict[str, object]:
    return {"processor": "python", "service": "own", "processor_path": processor(tmp_path, text)} | more


def test_a_start_reports_its_phases_and_facts(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), cpu=1.5) as instance:
        phases = [(line["phase"], line["state"]) for line in instance.report if "phase" in line]
        assert phases == [
            ("load", "running"), ("load", "done"), ("warm-up", "running"), ("warm-up", "done"), ("ready", "done"),
        ]  # fmt: skip
        assert instance.facts["threads"]["onnxruntime"] == 1  # a small model gains nothing from more
        assert instance.facts["device"] == "cpu"
        assert "onnxruntime" in instance.facts["versions"]


def test_an_onnx_instance_loads_no_heavy_library(tmp_path: Path) -> None:
    text = (
        "import sys\n"
        "from mlserve.runtime import serve, spec\n"
        "from mlserve.runtime.report import Report\n"
        "def ready(self):\n"
        "    print(sorted({name.split('.')[0] for name in sys.modules}))\n"
        "    import os; os._exit(0)\n"
        "Report.ready = ready\n"
        f"serve.run(spec.Spec('iris', 'onnx', model_path={str(IRIS)!r}))\n"
    )
    out = subprocess.run(
        [sys.executable, "-u", "-c", text], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=60
    )
    loaded = set(out.stdout.replace("'", "").strip("[]\n").split(", "))
    assert {"onnxruntime", "numpy", "httptools"} <= loaded
    heavy = {
        "sklearn",
        "scipy",
        "pandas",
        "pydantic",
        "fastapi",
        "starlette",
        "prometheus_client",
        "grpc",
        "httpx",
        "rich",
        "yaml",
    }
    assert not heavy & loaded


def test_importing_the_sdk_of_a_processor_needs_no_numpy(tmp_path: Path) -> None:
    text = (
        "import sys; sys.modules['numpy'] = None; from mlserve.runtime import Processor, get_model_path; print('light')"
    )
    out = subprocess.run([sys.executable, "-c", text], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True)
    assert out.stdout == "light\n", out.stderr


def test_live_answers_and_ready_does_not_while_the_model_is_loaded(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    text = (
        "import pathlib, time\nclass Slow:\n"
        "    def load(self, path, config):\n"
        f"        while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "    def predict(self, inputs): return inputs\n"
    )
    instance = launch(tmp_path, **own(tmp_path, text))
    try:
        until(lambda: "listening" in instance.log, instance)
        assert instance.get("/v2/health/live").status == 200
        assert instance.get("/v2/health/ready").status == 503
        assert instance.post("/eval", {"x": 1}).status == 503
        gate.touch()
        until(lambda: instance.get("/v2/health/ready").status == 200, instance)
        assert instance.post("/eval", {"x": 1}).json == {"x": 1}
    finally:
        instance.process.kill()
        instance.process.wait()


def test_a_processor_finds_its_model_config_and_own_modules(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.json").write_text("[10]")
    processor(tmp_path, "def scale(x, w): return x * w\n", "maths.py")
    text = (
        "import json\nfrom maths import scale\nfrom mlserve.runtime import Processor, get_model_path\n"
        "class Mine(Processor):\n"
        "    def load(self, path, config):\n"
        "        assert path == get_model_path()\n"
        "        self.w = json.loads((path / 'w.json').read_text())[0] + config['plus']\n"
        "    def predict(self, inputs): return {'y': scale(inputs['x'], self.w)}\n"
    )
    spec = own(
        tmp_path, text, model_path=str(tmp_path / "weights"), model_config='{"plus": 1}', processor_entry="processor.py"
    )
    with serving(tmp_path, **spec) as instance:
        assert instance.post("/eval", {"x": [1, 2]}).json == {"y": [11, 22]}


def test_warm_up_requests_run_before_ready(tmp_path: Path) -> None:
    (tmp_path / "warm.txt").write_text("\n".join(json.dumps({"x": n}) for n in range(3)))
    text = "class Mine:\n    def predict(self, inputs):\n        print('saw', inputs['x'])\n        return inputs\n"
    with serving(tmp_path, **own(tmp_path, text, warm_up_path=str(tmp_path / "warm.txt"))) as instance:
        assert [line for line in instance.log.splitlines() if line.startswith("saw")] == ["saw 0", "saw 1", "saw 2"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"sepal_length": "long"}', "warm.json was answered 400"),
        ("nonsense", "not JSON"),
        ('{"inputs": []}', "missing"),
    ],
)
def test_a_warm_up_request_that_fails_is_a_failed_start(tmp_path: Path, body: str, said: str) -> None:
    (tmp_path / "warm.json").write_text(body)
    instance = failed(tmp_path, model_path=str(IRIS), warm_up_path=str(tmp_path / "warm.json"))
    assert instance.process.returncode == 70
    assert instance.failure["cause"] == "warm-up-failed"
    assert said in instance.failure["reason"]
    assert {"phase": "warm-up", "state": "failed"}.items() <= instance.report[-2].items()


FAILURES = {
    "an exception in load": (
        "class Mine:\n    def load(self, path, config):\n        return self.part()\n"
        "    def part(self):\n        raise KeyError('weights')\n    def predict(self, inputs): ...\n",
        "load-exception", "KeyError", [("processor.py", 3), ("processor.py", 5)],
    ),
    "an exception in import": ("x = 1\ny = x / 0\n", "import-exception", "ZeroDivisionError", [("processor.py", 2)]),
    "a syntax error": ("class Mine\n", "import-exception", "SyntaxError", [("processor.py", 1)]),
    "a missing library": ("import numpy\nimport cv2\n", "missing-library", 'requirements.txt', [("processor.py", 2)]),
    "a missing file": (
        "class Mine:\n    def load(self, path, config): open('/nowhere/w.bin')\n    def predict(self, inputs): ...\n",
        "missing-model", "/nowhere/w.bin", [("processor.py", 2)],
    ),
    "no class": ("x = 1\n", "bad-entry", "no class", []),
    "a BaseException": (
        "import asyncio\nraise asyncio.CancelledError\n", "import-exception", "CancelledError", [("processor.py", 2)],
    ),
    "two classes": (GOOD + GOOD.replace("Mine", "Other"), "bad-entry", "2 classes", []),
    "no GPU": (
        "class Mine:\n    def load(self, path, config): raise RuntimeError('Found no NVIDIA driver on your system')\n"
        "    def predict(self, inputs): ...\n", "gpu-unavailable", "NVIDIA", [("processor.py", 2)],
    ),
    "sys.exit": ("import sys\nsys.exit(3)\n", "import-exception", "SystemExit", [("processor.py", 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_start_says_why_with_the_users_own_frames(tmp_path: Path, name: str) -> None:
    text, cause, said, frames = FAILURES[name]
    instance = failed(tmp_path, **own(tmp_path, text))
    assert instance.process.returncode == 70
    failure = instance.failure
    assert failure["cause"] == cause
    assert said in failure["reason"] + failure["hint"]
    assert [(frame["file"], frame["line"]) for frame in failure["frames"]] == frames
    assert failure["hint"]


def test_a_missing_library_names_the_line_to_add(tmp_path: Path) -> None:
    failure = failed(tmp_path, **own(tmp_path, "import sklearn_nowhere\n")).failure
    assert failure["cause"] == "missing-library"
    assert "add the line sklearn_nowhere to own/requirements.txt" in failure["hint"]


@pytest.mark.parametrize(
    ("entry", "reason", "hint"),
    [
        ("processor.py:risize", "no class or function risize (functions: crop, resize)", '"processor.py:resize"?'),
        ("processor.py:zzz", "no class or function zzz (functions: crop, resize)", 'one of them: "processor_entry"'),
        ("processor.py", "no class with a method predict(inputs) (functions: crop, resize)", '"processor.py:crop"'),
    ],
)
def test_a_mistyped_function_is_told_the_functions_and_the_right_form(
    tmp_path: Path, entry: str, reason: str, hint: str
) -> None:
    text = "def resize(image):\n    return {'y': image}\ndef crop(image):\n    return {'y': image}\n"
    failure = failed(tmp_path, **own(tmp_path, text, processor_entry=entry)).failure
    assert failure["reason"] == f"processor.py has {reason}"
    assert hint in failure["hint"]


@pytest.mark.parametrize("entry", ["nowhere.py:Mine", "processor.py:Nobody", "../processor.py"])
def test_a_bad_entry_lists_what_is_there(tmp_path: Path, entry: str) -> None:
    failure = failed(tmp_path, **own(tmp_path, GOOD, processor_entry=entry)).failure
    assert failure["cause"] == "bad-entry"
    assert "processor.py" in failure["reason"]


def test_a_broken_model_of_another_version_is_a_version_mismatch(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04nothing")
    failure = failed(
        tmp_path, processor="sklearn", model_path=str(tmp_path / "m.pkl"), saved_versions={"scikit-learn": "0.1.2"}
    ).failure
    assert failure["cause"] == "version-mismatch"
    assert "scikit-learn 0.1.2" in failure["reason"]
    assert failure["versions"]["saved"] == {"scikit-learn": "0.1.2"}
    assert failure["versions"]["running"]["scikit-learn"] in failure["reason"]


def test_without_a_spec_the_program_says_who_starts_it() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "mlserve.runtime"], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert out.returncode != 0
    assert "MLSERVE_RUNTIME is not set" in out.stderr


def test_a_stop_ends_an_idle_instance_at_once_with_status_zero(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS)) as instance:
        assert instance.post("/eval", ROW).status == 200
        assert instance.stop() == 0


def test_a_made_up_request_that_the_model_stumbles_over_is_a_warning(tmp_path: Path) -> None:
    from joblib import dump
    from sklearn.preprocessing import OneHotEncoder

    dump(OneHotEncoder().fit([[1.0], [2.0]]), tmp_path / "m.joblib")
    with serving(tmp_path, processor="sklearn", model_path=str(tmp_path / "m.joblib")) as instance:
        (warning,) = instance.facts["warnings"]
        assert "could not answer a made-up request" in warning
        assert "unknown categories" in warning
        assert "\n" not in warning


def test_a_model_that_answers_the_made_up_request_has_no_warning(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS)) as instance:
        assert "warnings" not in instance.facts
