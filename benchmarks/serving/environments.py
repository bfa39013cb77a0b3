"""An environment of its own for each server, made by uv once and kept."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def work_folder() -> Path:
    """Where environments and models are kept between runs; BENCH_FOLDER changes it."""
    named = os.environ.get("BENCH_FOLDER")
    folder = Path(named) if named else Path.home() / ".cache" / "mlserve-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environment(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of an environment that holds the requirements."""
    mark = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = work_folder() / f"{name}-{mark}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making the environment of {name} in {folder}", file=sys.stderr, flush=True)
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(python), *requirements)
        (folder / "complete").write_text("\n".join(requirements))
    return python


def installed(python: Path, packages: Sequence[str]) -> str:
    """Names and versions of some packages of an environment, for the conditions."""
    words = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    return subprocess.run(
        [python, "-c", words, *packages], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def _uv(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "uv", "-q", *words], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise SystemExit(f"uv {' '.join(words)}: exit {done.returncode}\n{done.stderr}")
