"""The user's own code, where a descriptor brings some: the folder it runs in and the packages it asks for."""

from __future__ import annotations

from pathlib import Path

from mlserve.engines.base import Artifacts


def folder(artifacts: Artifacts) -> str | None:
    """Where ``processor_path`` leads: that folder, or the one its file is in; None without one."""
    path = artifacts.paths.get("/processor_path")
    return path if path is None or Path(path).is_dir() else str(Path(path).parent)


def requirements(artifacts: Artifacts) -> tuple[str, ...]:
    """The lines of the ``requirements.txt`` in the folder of ``processor_path``; empty where there is none."""
    path = artifacts.paths.get("/processor_path")
    file = Path(path) / "requirements.txt" if path else None
    if not file or not file.is_file():
        return ()
    lines = (line.split(" #")[0].strip() for line in file.read_text().splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
