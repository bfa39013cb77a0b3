"""What goes into the image of a version, and what must not."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlserve import environments
from mlserve.descriptor import parse
from mlserve.engines.base import Artifacts
from mlserve.engines.choice import engine_of
from mlserve.environments.closure import wheels_for
from mlserve.errors import EnvironmentFailed, InvalidDescriptor
from mlserve.hub.imaging import base_image
from mlserve.hub.packing import Contents, left_out, recipe
from mlserve.images.dockerfile import dockerfile
from mlserve.images.recipe import PYTHON, RUNTIME
from mlserve.images.telltale import telltale

BASE = "python:3.11-slim"


def contents(raw: dict[str, Any], paths: dict[str, str]) -> Contents:
    descriptor = parse({"name": "words", "metadata": {"instance": 1, "cpu": 1}, **raw}).descriptor
    return Contents("words", 3, descriptor, engine_of(descriptor), Artifacts(paths))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text("class Words: ...\n")
    (folder / "requirements.txt").write_text("httpx>=0.27\n")
    return folder


@pytest.fixture
def processor(code: Path) -> Contents:
    raw = {"processor_type": "python", "processor_path": "app", "processor_entry": "app.py:Words"}
    envs = [{"name": "DB_PASSWORD", "value": "quiet-harbour"}, {"name": "MODE", "value": "fast"}]
    return contents({**raw, "processor_envs": envs}, {"/processor_path": str(code)})


def test_files_that_look_like_secrets_are_named(processor: Contents, code: Path) -> None:
    assert list(telltale(recipe(processor, BASE, offline=False))) == []
    (code / ".aws").mkdir()
    for name in (".env", ".env.example", ".env.production", "env.py", "id_rsa", "id_rsa.pub", ".aws/config"):
        (code / name).write_text("secret")
    place = "/mlserve/code/processor_path/app/"
    found = {path.removeprefix(place) for path in telltale(recipe(processor, BASE, offline=False))}
    assert found == {".env", ".env.production", "id_rsa", ".aws/config"}


def test_paths_are_those_inside_the_image(processor: Contents, code: Path) -> None:
    made = recipe(processor, BASE, offline=False)
    assert made.tag == "mlserve/words:3"
    assert made.code.files == {"/mlserve/code/processor_path/app": str(code)}
    assert made.workdir == "/mlserve/code/processor_path/app"
    assert made.command == (PYTHON, "-m", "mlserve.runtime")
    assert made.environment["PYTHONPATH"] == RUNTIME
    told = json.loads(made.environment["MLSERVE_RUNTIME"])
    assert told["processor_path"] == "/mlserve/code/processor_path/app"
    assert told["host"] == "0.0.0.0"
    assert str(code) not in dockerfile(made, "below")


def test_the_requirements_are_those_of_processor_and_code(processor: Contents) -> None:
    assert {"httpx>=0.27", "numpy>=1.24"} <= set(recipe(processor, BASE, offline=False).requirements)


def test_secrets_stay_out_and_are_named(processor: Contents) -> None:
    made = recipe(processor, BASE, offline=False)
    assert made.environment["MODE"] == "fast"
    assert "quiet-harbour" not in str(made)
    assert left_out(processor.workload()) == ["DB_PASSWORD"]


def test_what_a_dockerfile_cannot_hold_is_left_out(tmp_path: Path) -> None:
    lines = {"name": "LINES", "value": "one\ntwo"}
    made = contents({"command": "python serve.py", "port": 9000, "env": [lines]}, {"/processor_path": str(tmp_path)})
    assert "LINES" not in recipe(made, BASE, offline=False).environment
    assert left_out(made.workload()) == ["LINES"]


def test_a_program_is_packed_with_its_folder_and_its_port(code: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"model")
    paths = {"/processor_path": str(code), "/model_path": str(tmp_path / "model.bin")}
    made = recipe(
        contents({"command": "uvicorn app:app --port $PORT", "port": 9000, "processor_path": "app"}, paths),
        BASE,
        offline=False,
    )
    assert made.port == 9000
    assert made.command == ("uvicorn", "app:app", "--port", "{port}")
    assert made.environment["MODEL_PATH"] == "/mlserve/model/model_path/model.bin"
    assert made.environment["PATH"].startswith("/mlserve/env/bin:")
    assert not made.runtime.files, "it does not use ours"


def test_a_file_as_processor_runs_in_the_folder_it_is_put_into(code: Path) -> None:
    raw = {"processor_type": "python", "processor_path": "app.py", "processor_entry": "app.py"}
    made = recipe(contents(raw, {"/processor_path": str(code / "app.py")}), BASE, offline=False)
    assert made.code.files == {"/mlserve/code/processor_path/app.py": str(code / "app.py")}
    assert made.workdir == "/mlserve/code/processor_path"


def test_mounts_are_no_part_of_an_image(processor: Contents, tmp_path: Path) -> None:
    paths = {**processor.artifacts.paths, "/storage/0/s3/path": str(tmp_path)}
    mounted = Contents("words", 3, processor.descriptor, processor.engine, Artifacts(paths))
    assert recipe(mounted, BASE, offline=False).model.files == {}


def test_a_requirement_with_a_password_is_refused(code: Path) -> None:
    (code / "requirements.txt").write_text(
        "private @ https://ann:quiet-harbour@example.org/private-1-py3-none-any.whl\n"
    )
    raw = {"processor_type": "python", "processor_path": "app", "processor_entry": "app.py:Words"}
    with pytest.raises(InvalidDescriptor, match="holds a password") as caught:
        recipe(contents(raw, {"/processor_path": str(code)}), BASE, offline=False)
    assert "quiet-harbour" not in str(caught.value.to_dict())


def test_what_an_image_stands_on_is_said_by_the_group_then_by_the_hub() -> None:
    assert base_image({"base_image": "ours:1"}, "hub:1") == "ours:1"
    assert base_image({}, "hub:1") == "hub:1"
    assert base_image({}, "") == f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def test_the_runtime_needs_no_more_of_the_package_than_is_packed(tmp_path: Path) -> None:
    for name, path in environments.runtime_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(path)
    find = "import pkgutil, importlib, mlserve, mlserve.runtime as r\n"
    find += (
        "names = [m.name for m in pkgutil.walk_packages(r.__path__, 'mlserve.runtime.') if '__main__' not in m.name]\n"
    )
    find += "[importlib.import_module(name) for name in names]\n"
    find += "mlserve.Predictor('http://127.0.0.1:1/api/predict/iris')"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", find], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def wheel(folder: Path, name: str, version: str, *needs: str, tags: str = "py3-none-any") -> Path:
    path = folder / f"{name}-{version}-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {need}" for need in needs)]
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n\n")
    return path


def test_the_wheels_that_requirements_lead_to(tmp_path: Path) -> None:
    a = wheel(tmp_path, "a", "1", "b>=1", "w; sys_platform == 'win32'", "d; extra == 'more'")
    b, d = wheel(tmp_path, "b", "1"), wheel(tmp_path, "d", "1")
    wheel(tmp_path, "other", "1")
    wheel(tmp_path, "a", "2", tags="cp311-cp311-win_amd64")
    assert wheels_for(["a"], [tmp_path]).files == (a, b)
    assert wheels_for(["a[more]"], [tmp_path]).files == (a, b, d)
    assert wheels_for(["a"], [tmp_path]).missing == ()
    assert wheels_for(["a", "nowhere>=2"], [tmp_path]).missing == ("nowhere",)


def test_wheels_that_are_enough_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSERVE_WHEELS", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "https://ann:quiet-harbour@index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://open.example/simple")
    wheel(tmp_path, "a", "1")
    assert environments.sources(["a"], offline=False).offline
    more = environments.sources(["a", "b"], offline=False)
    assert not more.offline
    assert more.index == ("--extra-index-url", "https://open.example/simple"), "no password leaves this machine"
    with pytest.raises(EnvironmentFailed, match="wheels are missing: b"):
        environments.sources(["a", "b"], offline=True)
