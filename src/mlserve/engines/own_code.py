"""The user's own code, where a descriptor brings some: the folder it runs in and the packages it asks for."""

from __future__ import annotations

from pathlib import Path

from mlserve.engines.base import Artifacts


def folder(artifacts: Artifacts) -> str | None:
    """Where ``processor_path`` leads: that folder, or the one its file is in; None without one."""
    path, place = artifacts.paths.get("/processor_path"), artifacts.at("/processor_path")
    return place if path is None or place is None or Path(path).is_dir() else str(Path(place).parent)


def requirements(artifacts: Artifacts) -> tuple[str, ...]:
    """The lines of each ``requirements.txt`` in a folder of own code, a pipeline step's too; empty where none is."""
    folders = [Path(path) for pointer, path in artifacts.paths.items() if pointer.endswith("/processor_path")]
    return tuple(line for folder in dict.fromkeys(folders) for line in lines(folder / "requirements.txt"))


def lines(file: Path) -> tuple[str, ...]:
    """The packages that a requirements.txt names; empty where there is none."""
    if not file.is_file():
        return ()
    lines = (line.split(" #")[0].strip() for line in file.read_text().splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
