"""Wheels of all that the iris example needs: with them its image is built without a network, in seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlserve.descriptor import parse, read_file
from mlserve.engines.base import Artifacts
from mlserve.engines.choice import engine_of
from tests.docker_engine.parts import locked
from tests.heavy import CACHE

IRIS = Path(__file__).parent.parent / "examples" / "iris" / "service.json"


def iris_wheels() -> Path:
    """Their folder, kept from one run to the next; skips the test where they can't be downloaded."""
    folder = CACHE / "wheels-of-iris"
    descriptor = parse(read_file(IRIS)).descriptor
    wanted = engine_of(descriptor).requirements(descriptor, Artifacts())
    note, text = folder / "complete", "\n".join([sys.version, *wanted])
    with locked("wheels-of-iris"):
        if note.exists() and note.read_text() == text:
            return folder
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "-d", str(folder), *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs a package index: {done.stderr.strip().splitlines()[-1:]}")
        note.write_text(text)
    return folder
