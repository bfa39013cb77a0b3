"""The hub is killed while it makes or removes containers and their volumes: nothing is doubled, nothing is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.chaos.box import BOX, IMAGE, box, settled, with_wines
from tests.chaos.test_chaos import hub_pid
from tests.docker_engine import Engine, engine
from tests.waiting import until

import mlserve
from mlserve.client import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROUNDS = 3


@pytest.fixture(scope="module")
def harbour() -> Iterator[Engine]:
    """The engine of this module."""
    with engine() as one:
        yield with_wines(one)


def test_kills_of_the_hub_leave_no_container_twice_and_no_volume(home: Path, client: Client, harbour: Engine) -> None:
    chance = random.Random(4)
    with box(client, harbour):
        for _ in range(ROUNDS):
            killed_during(home, chance.uniform(0.1, 1.5), CREATE)
            with mlserve.connect() as next_hub:
                if "ship" not in [one.name for one in next_hub.services.list()]:
                    continue  # it was never acknowledged
                service = next_hub.services.get("ship")
                until(lambda: settled(service, 2))  # noqa: B023 - called before the next round
            assert len(held(harbour)) == 2
            killed_during(home, chance.uniform(0.1, 1.0), DELETE)
            with mlserve.connect() as next_hub:
                for left in next_hub.services.list():
                    left.delete(timeout=60)
            until(lambda: held(harbour) == [] and volumes(harbour) == [])


CREATE = f"""
client.services.create({{
    "name": "ship", "containers": [{{"image": "{IMAGE}", "port": 8000}}],
    "storage": [{{"mount_path": "/scratch", "empty_dir": {{}}}}],
    "metadata": {{"instance": 2, "cpu": 0.1, "memory": 64, "resource": "{BOX}", "eas.termination_grace_period": 1}},
}})
"""
DELETE = 'client.services.get("ship").delete(wait=False)'


def killed_during(home: Path, after: float, wish: str) -> None:
    """Wish for something, and kill the hub a moment later, whether it has answered or not."""
    victim = hub_pid(home)
    program = f"import mlserve\nwith mlserve.connect() as client:\n    {wish.strip()}"
    asking = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)  # any moment will do
    os.kill(victim, signal.SIGKILL)
    asking.wait(60)


def held(engine: Engine) -> list[str]:
    with closing(engine.client()) as client:
        return [str(container.name) for container in client.containers.list(all=True, ignore_removed=True)]


def volumes(engine: Engine) -> list[str]:
    with closing(engine.client()) as client:
        return [str(volume.name) for volume in client.volumes.list()]
