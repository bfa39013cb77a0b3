"""Secrets of an instance as files that only its own user may read, for as long as it runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def folder(directory: Path) -> Path:
    """Where the secrets of the instance behind a directory are."""
    return directory / "secrets"


def write(directory: Path, secrets: Mapping[str, str]) -> None:
    """Put them there; those of the run before go."""
    remove(directory)
    if not secrets:
        return
    folder(directory).mkdir(mode=0o700)
    for name, text in secrets.items():
        with os.fdopen(os.open(folder(directory) / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(text)


def remove(directory: Path) -> None:
    """The run is over; nothing there is no error."""
    shutil.rmtree(folder(directory), ignore_errors=True)
