"""README does what it says, typed as it stands in a clean copy with an empty home."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import stop_everything
from tests.docs.pages import README, ROOT, between, blocks, lines, section


@pytest.mark.parametrize("title", ["Quick start", "Tests"])
def test_a_section_opens_with_its_one_line(title: str) -> None:
    text = section(title).lstrip("\n")
    assert text.startswith("```bash\n")
    assert len(blocks(text, "bash")[0].splitlines()) == 1


def test_ci_types_the_test_line_of_the_readme() -> None:
    typed = (ROOT / ".ci" / "run").read_text().splitlines()
    assert any(line.startswith(lines(section("Tests"))[0]) for line in typed), "CI adds a report to it, no more"


def test_the_table_of_commands_is_the_generated_one() -> None:
    done = subprocess.run([sys.executable, "-m", "mlserve_cli.table"], capture_output=True, text=True, check=True)
    assert between("commands: python -m mlserve_cli.table", "end of commands").strip() == done.stdout.strip()


def test_what_the_readme_links_to_is_there() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", README.read_text())
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The project as a fresh clone has it, here and now."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "copy" / name)
    yield tmp_path / "copy"
    if (tmp_path / "home").exists():
        stop_everything(tmp_path / "home")


def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a new terminal: no virtual environment, this Python as python3, an empty home."""
    prefixes = ("MLSERVE_", "VIRTUAL_ENV", "PYTHON", "NOX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    base = Path(sys.base_prefix) / "bin"
    path = [folder for folder in kept["PATH"].split(os.pathsep) if folder != str(Path(sys.prefix) / "bin")]
    return {**kept, "PATH": os.pathsep.join([str(base), *path]), "MLSERVE_HOME": str(tmp_path / "home")}


def type_in(line: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=folder, env=environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("where", ["outside a virtual environment", "inside a virtual environment"])
def test_the_quick_start_answers_a_real_request(copy: Path, tmp_path: Path, where: str) -> None:
    environment = bare(tmp_path)
    if where.startswith("inside"):
        type_in("python3 -m venv mine", tmp_path, environment)
        folder = tmp_path / "mine"
        environment |= {"VIRTUAL_ENV": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"}
    said = [type_in(line, copy, environment) for line in lines(section("Quick start"))]
    assert "/api/predict/iris" in said[0]
    assert "setosa" in said[1]
    assert "virginica" in said[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_model_of_your_own_is_served(home: Path, tmp_path: Path) -> None:
    (program,) = blocks(section("A model of your own"), "python")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/api/predict/wine" in done.stdout
    assert "'label': [0, 0]" in done.stdout
