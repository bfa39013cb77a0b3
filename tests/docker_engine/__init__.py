"""Real Docker engines for tests: thrown away after use, beside one another and beside the one a user has.

    with engine() as docker_engine, closing(docker_engine.client()) as client:
        base = base_image(docker_engine)      # "python:3.11-slim", without a registry
        container = client.containers.create(base, ["sleep", "60"], init=True)

In most tests the fixtures of ``tests/conftest.py`` do: ``docker_engine`` (one for the session, with the base image) and
``fresh_engine`` (one for the test, to be killed). ``registry()``, ``sshd()`` and ``engine(tls=True)`` are for what is
away from this machine. Each skips its test with "needs …" where this machine cannot have it, which CI counts as failed.
"""

from tests.docker_engine.base_image import BASE, base_image
from tests.docker_engine.engine import Engine, EngineFailed, engine
from tests.docker_engine.registry import Registry, registry
from tests.docker_engine.sshd import Sshd, sshd

__all__ = ["BASE", "Engine", "EngineFailed", "Registry", "Sshd", "base_image", "engine", "registry", "sshd"]
