"""The hub's side of a conversion: what it keeps, what it does without a network, and how it limits the process."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest
from sklearn.linear_model import LinearRegression
from tests.waiting import until

from mlserve import storage
from mlserve.descriptor import Descriptor, parse
from mlserve.engines.base import Artifacts
from mlserve.engines.runtime import create
from mlserve.errors import MlserveError
from mlserve.hub import confined
from mlserve.hub.conversions import Converter, form_of, served, shown
from mlserve.hub.convertible import Convertible, convertible, fingerprint

SLOW = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
time.sleep(99)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), path)
    return path


def descriptor(**fields: Any) -> Descriptor:
    return parse({"name": "line", "processor": "sklearn", "model_path": "model.joblib", **fields}).descriptor


def converted(home: Path, model: Path, wished: Descriptor, form: Convertible | None = None) -> dict[str, Any]:
    converter = Converter(home, storage.ContentStore(home / "content"), offline=True)
    artifacts = Artifacts({"/model_path": str(model)})
    chosen = form or form_of(wished, artifacts)
    assert chosen is not None
    return asyncio.run(converter.convert(chosen, wished, create(), artifacts))


def test_a_conversion_is_made_once_and_kept_until_its_file_is_gone(tmp_path: Path, model: Path) -> None:
    home = tmp_path / "home"
    first = converted(home, model, descriptor())
    assert first["to"] == "onnx", first
    assert Path(first["path"]).name == "model.onnx"
    assert "reused" not in first
    second = converted(home, model, descriptor())
    assert second["reused"]
    assert second["path"] == first["path"]
    store = storage.ContentStore(home / "content")
    store.prune((), older_than=-1)
    Converter(home, store).sweep()
    assert not list((home / "conversions").glob("*.json"))
    assert "reused" not in converted(home, model, descriptor())


def test_what_is_started_is_the_converted_file_without_the_libraries_of_the_original(
    tmp_path: Path, model: Path
) -> None:
    record = converted(tmp_path / "home", model, descriptor())
    artifacts = served(Artifacts({"/model_path": str(model)}, {"scikit-learn": "1.0"}), record)
    assert artifacts.paths["/model_path"] == record["path"]
    assert artifacts.processor == "onnx"
    requirements = create().requirements(descriptor(), artifacts)
    assert any(line.startswith("onnxruntime") for line in requirements)
    assert not any(line.startswith("scikit-learn") for line in requirements)
    assert not {"path", "digest"} & (shown(record) or {}).keys()


def test_without_the_converters_packages_the_model_is_served_as_it_is(tmp_path: Path, model: Path) -> None:
    lacking = replace(convertible()["sklearn"], requirements=("a-package-that-nobody-has>=1",))
    record = converted(tmp_path / "home", model, descriptor(), lacking)
    assert record["to"] is None
    assert "can't be installed here" in record["reason"]
    with pytest.raises(MlserveError, match='"convert" is "always"'):
        converted(tmp_path / "home", model, descriptor(convert="always"), lacking)


def test_another_configuration_or_another_model_is_another_conversion(tmp_path: Path, model: Path) -> None:
    form, paths = convertible()["sklearn"], {"/model_path": str(model)}
    first = fingerprint(form, descriptor(), paths)
    assert fingerprint(form, descriptor(), paths) == first
    assert fingerprint(form, descriptor(model_config={"a": 1}), paths) != first
    assert fingerprint(replace(form, version="another"), descriptor(), paths) != first
    model.write_bytes(model.read_bytes() + b" ")
    assert fingerprint(form, descriptor(), paths) != first


def run(folder: Path, code: str, **limits: Any) -> str:
    (folder / "work.py").write_text(code)
    work = confined.Work(Path(sys.executable), "work", (), folder, folder, folder, seconds=20, memory=1 << 30)
    return asyncio.run(confined.run(replace(work, **limits)))


def test_work_apart_has_none_of_the_hubs_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    code = "import json, os\njson.dump(dict(os.environ), open('seen.json', 'w'))"
    assert run(tmp_path, code) == ""
    seen = (tmp_path / "seen.json").read_text()
    assert "secret" not in seen
    assert str(Path.home()) not in seen or str(tmp_path).startswith(str(Path.home()))


def test_work_apart_that_takes_too_long_or_too_much_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    assert run(tmp_path, SLOW, seconds=0.6) == "it took more than 1 s"
    greedy = "held = bytearray(200_000_000)\nimport time\ntime.sleep(99)"
    assert run(tmp_path, greedy, memory=100 << 20) == "it used more than 100 MB of memory"
    until(lambda: not _left(tmp_path), "the end of all its processes")


def test_work_apart_that_fails_tells_its_last_line(tmp_path: Path) -> None:
    assert run(tmp_path, "raise SystemExit('no such thing')") == "it ended with exit status 1: no such thing"
    (tmp_path / "other").mkdir()
    assert "signal 9" in run(tmp_path / "other", "import os\nos.kill(os.getpid(), 9)")


def _left(folder: Path) -> list[int]:
    """What still runs with that folder as its home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("HOME") == str(folder):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
