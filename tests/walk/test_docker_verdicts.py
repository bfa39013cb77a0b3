"""What ends in a container is explained as well as what ends in a process: cause, the user's own frames, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import docker
import pytest

from mlserve.client import Client, Service
from mlserve.errors import StartFailed
from tests.docker_engine import BASE, Engine
from tests.waiting import until
from tests.walk.test_failed_starts import STARTS, create, processor

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]


@pytest.fixture
def engine(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    with closing(docker_engine.client()) as engine:
        yield engine


TOLD = ("an exception in load", "a missing library", "too much memory")
ENDS = {
    "bad-entry": "no-such-program",
    "exited": "python -c \"print('giving up'); raise SystemExit(3)\"",
    "out-of-memory": "python -c \"held = b'x' * 900_000_000\"",
    "wrong-address": "python -m http.server 8000 --bind 127.0.0.1",
}


def wish(name: str, command: str, **metadata: Any) -> dict[str, Any]:
    container = {"image": BASE, "command": command, "port": 8000}
    told = {"instance": 1, "cpu": 0.5, "memory": 128, "resource": "box", **metadata}
    return {"name": name, "containers": [container], "metadata": told}


def why(service: Service, cause: str) -> Mapping[str, Any]:
    """The newest record of a cause; it may be a moment until it is there."""
    found: list[Mapping[str, Any]] = until(
        lambda: [record for record in service.why() if record["cause"] == cause], f"a record of {cause}"
    )
    return found[0]


def ready_again(service: Service, restarts: int) -> Mapping[str, Any]:
    """The instance, once it has come back so often."""

    def again() -> Mapping[str, Any] | None:
        (instance,) = service.instances()
        return instance if (instance["restarts"], instance["state"]) == (restarts, "Ready") else None

    found: Mapping[str, Any] = until(again, f"ready after {restarts} restarts")
    return found


@pytest.mark.network
def test_a_processor_that_fails_to_start_shows_its_own_frames(box: Client, tmp_path: Any) -> None:
    services = {}
    for number, what in enumerate(TOLD):
        code, _ = STARTS[what]
        folder = tmp_path / str(number)
        folder.mkdir()
        descriptor = {**processor(folder, **code), "name": f"echo{number}"}
        services[what] = create(box, folder, descriptor, memory=256, resource="box", cpu=0.2)
    for what, service in services.items():
        with pytest.raises(StartFailed):
            service.wait(timeout=300)
        cause = STARTS[what][1]
        record = service.why()[0]
        assert (what, record["cause"]) == (what, cause)
        if cause in ("load-exception", "import-exception", "missing-library"):
            assert record["frames"], what
            assert all(frame["file"].endswith("app.py") for frame in record["frames"]), record["frames"]
        if cause == "out-of-memory":
            assert record["memory"] == {"limit_mb": 256, "peak_mb": 256}


def test_each_end_of_a_container_has_its_name(box: Client, engine: docker.DockerClient) -> None:
    services = {
        cause: box.services.create({**wish(f"app{number}", command), "startup_timeout": 6})
        for number, (cause, command) in enumerate(ENDS.items())
    }
    for cause, service in services.items():
        with pytest.raises(StartFailed):
            service.wait(timeout=120)
        record = service.why()[0]
        assert record["cause"] == cause
        assert record["hint"]
        service.delete()


def test_what_somebody_else_does_to_a_container_is_told_and_mended(box: Client, engine: docker.DockerClient) -> None:
    service = box.services.create(wish("app", "python -m http.server 8000")).wait(timeout=120)
    (instance,) = service.instances()
    engine.containers.get(instance["container"]).kill()
    assert why(service, "killed-by-signal")["reason"] == "the program was ended by signal SIGKILL"
    engine.containers.get(ready_again(service, 1)["container"]).remove(force=True)
    ready_again(service, 2)
    service.delete()
    until(
        lambda: not engine.containers.list(all=True, ignore_removed=True, filters={"label": "mlserve.service=app"}),
        "its end",
    )
