"""Environments: which interpreter will do, what is built, and what is said when it can't be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlserve import environments
from mlserve.environments import Environment
from mlserve.environments.current import satisfied
from mlserve.environments.failure import failed, is_network
from mlserve.environments.indexes import pip_files, pip_settings, uv_environment
from mlserve.environments.key import Interpreter, key, normalized
from mlserve.environments.wheels import offered, wheel_folders
from mlserve.errors import EnvironmentFailed

PYTHON = Interpreter("/usr/bin/python3")


def wheel(directory: Path, name: str, version: str, requires: str = "") -> None:
    """A package that has one module of its name."""
    directory.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {requires}\n" if requires else ""
    )
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"version = '{version}'\n")
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All the packages there are: a folder of wheels."""
    folder = tmp_path / "wheels"
    wheel(folder, "ourlib", "1.0")
    wheel(folder, "ourlib", "2.0")
    wheel(folder, "needy", "1.0", requires="absent>=3")
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def ensure(requirements: Sequence[str], home: Path, **more: bool) -> Environment:
    return asyncio.run(environments.ensure(requirements, home=home, **more))


def test_the_key_is_that_of_the_content() -> None:
    assert key(["NumPy >=1.24", "six"], PYTHON) == key(["six", "numpy>=1.24", "six"], PYTHON)
    assert key(["six==1.0"], PYTHON) != key(["six==1.1"], PYTHON)
    assert key(["six"], PYTHON) != key(["six"], Interpreter("/usr/bin/python3.99"))


def test_lines_only_uv_understands_stay_as_they_are() -> None:
    assert normalized(["-r more.txt", " b ", "A"]) == ("-r more.txt", "a", "b")


@pytest.mark.parametrize(
    ("requirements", "met"),
    [
        (["pytest>=8"], True),
        (["pytest>=8", "no-such-package-here"], False),
        (["pytest<1"], False),
        (['no-such-package-here; python_version < "3"'], True),
        (["-r other.txt"], False),
        (["pytest @ https://example.org/pytest.whl"], False),
        ([], True),
    ],
)
def test_the_current_interpreter_will_do_when_it_has_everything(requirements: list[str], met: bool) -> None:
    assert (satisfied(requirements) is not None) is met


def test_what_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    found = ensure(["pytest>=8"], tmp_path)
    assert (found.python, found.key, found.reused) == (Path(sys.executable), "current", True)
    assert found.requirements_resolved[0].startswith("pytest==")
    assert not (tmp_path / "environments").exists()


def test_what_is_missing_is_built_once_and_found_again(tmp_path: Path, packages: Path) -> None:
    built = ensure(["ourlib==1.0"], tmp_path)
    assert not built.reused
    assert built.requirements_resolved == ("ourlib==1.0",)
    printed = subprocess.run(
        [built.python, "-c", "import ourlib; print(ourlib.version)"], capture_output=True, text=True
    )
    assert printed.stdout == "1.0\n"
    again = ensure(["OurLib ==1.0"], tmp_path)
    assert (again.reused, again.python, again.requirements_resolved) == (True, built.python, ("ourlib==1.0",))
    assert ensure(["ourlib==2.0"], tmp_path).python != built.python


def test_two_who_want_the_same_at_once_get_one(tmp_path: Path, packages: Path) -> None:
    async def both() -> list[Environment]:
        return await asyncio.gather(*(environments.ensure(["ourlib"], home=tmp_path) for _ in range(2)))

    assert sorted(found.reused for found in asyncio.run(both())) == [False, True]


def test_a_name_nobody_knows_is_named(tmp_path: Path, packages: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="absent") as caught:
        ensure(["needy"], tmp_path)
    assert caught.value.hint
    assert any("absent" in detail["message"] for detail in caught.value.details)
    assert complete(tmp_path) == []


def test_offline_a_cached_package_will_do_and_a_missing_one_is_named(tmp_path: Path, packages: Path) -> None:
    ensure(["ourlib==2.0"], tmp_path / "one", offline=True)
    with pytest.raises(EnvironmentFailed, match="without the network: absent is not in the cache"):
        ensure(["needy"], tmp_path / "one", offline=True)


def test_without_network_the_cache_is_tried(tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    said: list[str] = []
    built = asyncio.run(environments.ensure(["ourlib"], home=tmp_path, progress=said.append))
    assert built.requirements_resolved == ("ourlib==2.0",)
    assert "no network: trying what is in the cache" in said


def test_a_build_that_is_cancelled_leaves_nothing(tmp_path: Path, packages: Path) -> None:
    async def scenario() -> None:
        started = asyncio.Event()
        work = environments.ensure(["ourlib"], home=tmp_path, progress=lambda line: started.set())
        task = asyncio.create_task(work)
        await asyncio.wait([task, asyncio.create_task(started.wait())], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert [name for name in os.listdir(tmp_path / "environments") if name.endswith(".building")] == []
    assert ensure(["ourlib"], tmp_path).requirements_resolved == ("ourlib==2.0",)


def test_one_whose_python_is_gone_is_built_anew(tmp_path: Path, packages: Path) -> None:
    built = ensure(["ourlib"], tmp_path)
    built.python.unlink()
    assert not ensure(["ourlib"], tmp_path).reused


def test_unused_environments_are_cleared_away(tmp_path: Path, packages: Path) -> None:
    old, used = ensure(["ourlib==1.0"], tmp_path), ensure(["ourlib==2.0"], tmp_path)
    later = time.time() + 100
    assert environments.prune(tmp_path, in_use={used.key}, unused_seconds=200, now=later) == ()
    assert environments.prune(tmp_path, in_use={used.key}, unused_seconds=50, now=later) == (old.key,)
    assert complete(tmp_path) == [used.key]


def test_the_runtime_path_holds_mlserve_and_nothing_else(tmp_path: Path) -> None:
    directory = environments.runtime_path(tmp_path)
    assert environments.runtime_path(tmp_path) == directory
    assert [path.name for path in directory.iterdir()] == ["mlserve"]
    assert (directory / "mlserve" / "errors.py").exists()


def test_a_version_in_a_wheel_folder_wins_over_a_newer_one_elsewhere(
    tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(packages, "user", "1.0", requires="ourlib")
    near = tmp_path / "near"
    wheel(near, "ourlib", "1.5+cpu")
    index = tmp_path / "index" / "ourlib"
    index.mkdir(parents=True)
    wheel(index, "ourlib", "3.0")
    (index / "index.html").write_text('<a href="ourlib-3.0-py3-none-any.whl">ourlib-3.0-py3-none-any.whl</a>')
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", index.parent.as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(near))
    built = ensure(["ourlib"], tmp_path)
    assert built.requirements_resolved == ("ourlib==1.5+cpu",)
    assert built.local == (f"ourlib 1.5+cpu from {near}",)
    assert ensure(["ourlib"], tmp_path).local == built.local, "it is remembered"
    assert ensure(["ourlib>=2"], tmp_path).requirements_resolved == ("ourlib==3.0",), "the requirement has its say"
    assert ensure(["ourlib"], tmp_path, gpu=True).requirements_resolved == ("ourlib==3.0",), "no CPU build for a GPU"
    monkeypatch.setenv("MLSERVE_WHEELS", f"{packages}:{near}")
    assert "ourlib==2.0" in ensure(["user"], tmp_path).requirements_resolved, "for what a requirement brings along too"


def test_wheels_for_another_python_or_machine_are_passed_over(tmp_path: Path) -> None:
    for name in ("a-2.0-cp27-cp27m-win32.whl", "a-1.0-py3-none-any.whl", "broken.whl", "b-1-py3-none-any.whl"):
        (tmp_path / name).touch()
    assert [str(found) for found in offered([tmp_path])] == [f"a 1.0 from {tmp_path}", f"b 1 from {tmp_path}"]


def test_wheel_folders_are_those_of_pip_uv_and_ours(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    environ = {"MLSERVE_WHEELS": f"{one}:{tmp_path / 'absent'}", "UV_FIND_LINKS": f"{two.as_uri()},https://far/wheels"}
    assert wheel_folders(environ, {"find-links": f"{three} {one}"}) == (one, two, three)
    assert uv_environment({"MLSERVE_WHEELS": f"{one}:{two}"}, {})["UV_FIND_LINKS"] == f"{one},{two}"


def test_pips_settings_are_uvs(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    lines = ["[global]", "index-url = https://one/simple", "extra-index-url =", "  https://two", "  https://three"]
    file.write_text("\n".join([*lines, "find_links = /a /b"]))
    told = uv_environment({}, pip_settings({"PIP_TRUSTED_HOST": "one"}, [file, tmp_path / "absent"]))
    assert told["UV_DEFAULT_INDEX"] == "https://one/simple"
    assert told["UV_INDEX"] == "https://two https://three"
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert told["UV_FIND_LINKS"] == "/a,/b"
    assert told["UV_INSECURE_HOST"] == "one"


def test_variables_win_over_files_and_uvs_own_settings_over_all(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://file\n")
    environ = {"PIP_INDEX_URL": "https://variable"}
    assert uv_environment(environ, pip_settings(environ, [file]))["UV_DEFAULT_INDEX"] == "https://variable"
    environ["UV_DEFAULT_INDEX"] = "https://uv"
    assert uv_environment(environ, pip_settings(environ, [file]))["UV_DEFAULT_INDEX"] == "https://uv"
    assert pip_files({"PIP_CONFIG_FILE": "/dev/null"}, tmp_path) == []


def test_a_package_being_built_sees_no_secret_of_the_hub() -> None:
    given = {
        "MLSERVE_TOKEN": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "GITHUB_TOKEN": "x",
        "PATH": "/bin",
        "UV_INDEX_A_PASSWORD": "y",
    }
    told = uv_environment(given, {})
    assert "x" not in told.values()
    assert told["UV_INDEX_A_PASSWORD"] == "y"


def test_a_full_disk_is_named() -> None:
    error = failed("error: failed to write: No space left on device (os error 28)", ["six"], "/home/x", offline=False)
    assert "no space left on the disk of /home/x" in error.message


@pytest.mark.parametrize(
    "text",
    ["error sending request for url", "dns error: failed to lookup address", "Connection refused (os error 111)"],
)
def test_a_missing_network_is_known_by_its_words(text: str) -> None:
    assert is_network(text)


def complete(home: Path) -> list[str]:
    return [name for name in os.listdir(home / "environments") if not name.startswith(".")]
