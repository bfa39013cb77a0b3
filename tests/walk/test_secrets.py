"""A processor's secrets reach it and nobody else, as a process and in a container."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from mlserve.client import Client, Service
from tests.walk.test_build import docker_client, hub

__all__ = ["docker_client", "hub"]

pytestmark = pytest.mark.timeout(300)
SECRET = "hushed-lighthouse-2718"
PROCESSOR = """
import os


class Teller:
    def load(self, path, config):
        self.config = config

    def predict(self, inputs):
        return {"told": [os.environ["DB_PASSWORD"]], "key": [self.config["api_key"]], "level": [os.environ["LEVEL"]]}
"""


def wish(folder: Path, **metadata: Any) -> Path:
    (folder / "teller.py").write_text(PROCESSOR)
    raw = {
        "name": "teller",
        "processor_type": "python",
        "processor_path": str(folder / "teller.py"),
        "processor_entry": "teller.py:Teller",
        "processor_envs": [{"name": "DB_PASSWORD", "value": SECRET}, {"name": "LEVEL", "value": "3"}],
        "model_config": {"api_key": SECRET},
        "metadata": {"instance": 1, "cpu": 0.5, "memory": 512, **metadata},
    }
    (folder / "service.json").write_text(json.dumps(raw))
    return folder / "service.json"


def answered(service: Service) -> None:
    told = service.predict({"x": [[1]]})
    assert SECRET in json.dumps(told), "the processor has them"
    assert SECRET not in json.dumps(service.reload().descriptor)


def test_a_process_has_its_secrets_and_its_environment_does_not(client: Client, home: Path, tmp_path: Path) -> None:
    service = client.services.create(wish(tmp_path)).wait(timeout=200)
    answered(service)
    (instance,) = service.instances()
    program = psutil.Process(instance["pid"])
    assert program.environ()["LEVEL"] == "3"
    for process in (program, program.parent()):
        assert SECRET not in str([process.environ(), process.cmdline()])
    files = [path for path in (home / "instances").rglob("*") if path.is_file() and SECRET in path.read_text("latin-1")]
    assert {path.parent.name for path in files} == {"secrets"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}
    service.stop().wait(timeout=60)
    assert not [path for path in files if path.exists()]
    service.delete()


def test_a_container_has_its_secrets_and_what_the_engine_shows_does_not(
    hub: Client, docker_client: docker.DockerClient, tmp_path: Path
) -> None:
    service = hub.services.create(wish(tmp_path, resource="box")).wait(timeout=200)
    answered(service)
    (instance,) = service.instances()
    container = docker_client.containers.get(instance["container"])
    assert "LEVEL=3" in container.attrs["Config"]["Env"]
    image = docker_client.images.get(container.attrs["Image"])
    volumes = [volume.attrs for volume in docker_client.volumes.list()]
    assert SECRET not in json.dumps([container.attrs, image.attrs, image.history(), volumes])
    environments = container.exec_run(["sh", "-c", "cat /proc/[0-9]*/environ"]).output
    assert b"LEVEL=3" in environments
    assert SECRET.encode() not in environments
    service.delete()
