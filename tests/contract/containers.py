"""Workloads as containers of an engine of the tests' own, which has the program of these tests in an image."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.docker_engine import BASE, Engine

from mlserve.backends.docker.backend import DockerBackend
from mlserve.backends.docker.engine import open_engine
from mlserve.workload import Workload

PROGRAM = Path(__file__).with_name("program.py")
IMAGE = "mlserve-test-program"


@pytest.fixture(scope="module")
def program_image(docker_engine: Engine) -> Iterator[str]:
    """The name of an image with the program at /program.py."""
    yield bake(docker_engine)
    with closing(docker_engine.client()) as client:
        client.images.remove(f"{IMAGE}:latest", force=True)


def bake(engine: Engine) -> str:
    """Put the program into an image of its own, and return its name."""
    with closing(engine.client()) as client:
        container = client.containers.create(BASE)
        try:
            container.put_archive("/", _archive())
            container.commit(IMAGE, "latest")
        finally:
            container.remove()
    return f"{IMAGE}:latest"


def in_container(wish: Workload, image: str) -> Workload:
    """The same in a container, where it has to listen on all addresses."""
    environment = {"ADDRESS": "0.0.0.0", **wish.environment}
    return replace(wish, image=image, command=("python", "/program.py"), environment=environment)


def open_docker(home: Path, engine: Engine, hub: str = "", address: str = "", **more: Any) -> DockerBackend:
    """A backend on an engine; each folder is a hub of its own."""
    home.mkdir(parents=True, exist_ok=True)
    noted = home / "hub-id"
    if not noted.exists():
        noted.write_text(hub or secrets.token_hex(8))
    options = {"host": engine.host, "address": address}
    return DockerBackend(home, options, open_engine(options, home), noted.read_text(), **more)


def _archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(PROGRAM, arcname="program.py")
    return file.getvalue()
