"""Model libraries too large for the tests' own environment: interpreters that have them, and models made there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from mlserve import environments
from mlserve.engines.runtime import BASE_REQUIREMENTS
from mlserve.environments.key import Interpreter, key
from mlserve.errors import EnvironmentFailed

ROOT = Path(__file__).parent.parent
PYTORCH = ("torch>=2.4",)
TENSORFLOW = ("tensorflow-cpu>=2.16",)
"""With Keras."""
TRANSFORMERS = ("torch>=2.4", "transformers>=4.40")
CACHE = Path(os.environ.get("MLSERVE_TESTS_CACHE") or Path.home() / ".cache" / "mlserve-tests")
"""Where environments and models are kept from one run to the next."""


def python_with(*requirements: str) -> Path:
    """An interpreter that has the packages and what our runtime needs; built once, by mlserve's own rules.

    Runs at the same time wait for one another. It may be the tests' own interpreter, where that has them all.
    """
    wanted = (*BASE_REQUIREMENTS, *requirements)
    try:
        return asyncio.run(environments.ensure(wanted, home=CACHE)).python
    except EnvironmentFailed as exc:
        if "without the network" not in exc.message:
            raise
        pytest.skip(f"needs a package index: {exc.message}")


def environment_of(python: Path) -> dict[str, str]:
    """The variables to start such an interpreter with: nothing of ours, and mlserve as it is here on its path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLSERVE_")}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **quiet, "PYTHONPATH": str(ROOT / "src"), "PATH": f"{python.parent}:{os.environ['PATH']}"}


def make_model(python: Path, script: str, *arguments: str | Path, folder: Path | None = None) -> Path:
    """The folder in which a script has run; the same script with the same arguments runs once and is then kept.

    ``sys.argv[1:]`` are the arguments, the working directory is where it writes. With ``folder`` it always runs, there.
    """
    text = textwrap.dedent(script)
    words = [str(argument) for argument in arguments]
    if folder is None:
        folder = CACHE / "models" / key([text, *words], Interpreter(str(python)))
        if folder.is_dir():
            return folder
        beside = folder.with_name(f".{folder.name}.{os.getpid()}")
        _run(python, text, words, beside)
        try:
            beside.rename(folder)
        except OSError:  # another run was as quick, and made the same
            if not folder.is_dir():
                raise
        return folder
    _run(python, text, words, folder)
    return folder


def _run(python: Path, text: str, words: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.with_name(f"{folder.name}.py")  # a file, since TorchScript reads the source of what it compiles
    file.write_text(text)
    command = [python, file, *words]
    done = subprocess.run(command, cwd=folder, env=environment_of(python), capture_output=True, text=True, timeout=500)
    file.unlink()
    assert done.returncode == 0, done.stderr[-4000:]
