"""Images of ours on the whole line: a service in a container, builds by hand, and what is never built again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

import mlserve
from mlserve import client_lib
from mlserve.client import Client, Service
from mlserve.errors import BuildFailed, UpdateFailed
from mlserve.images.recipe import HUB, SERVICE
from tests.docker_engine import BASE, Engine, registry
from tests.docker_engine.parts import free_port
from tests.iris_wheels import iris_wheels
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SECRET = "quiet-harbour-4711"
HUB_ID = "5eed5eed5eed5eed"
"""All of these tests are one hub to the engine: what takes long is built for the first of them."""


@pytest.fixture
def docker_client(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    """Looks at the engine that the hub uses; nothing of the hub stays in it."""
    with closing(docker_engine.client()) as client:
        yield client
        for container in client.containers.list(all=True, ignore_removed=True, filters={"label": "mlserve.hub"}):
            container.remove(force=True)
        for name in [name for image in client.api.images(filters={"label": HUB}) for name in image["RepoTags"] or ()]:
            if "<none>" not in name and not name.startswith("mlserve/foundation:"):
                client.api.remove_image(name, force=True)


@pytest.fixture
def hub(
    home: Path, docker_engine: Engine, docker_client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A hub with a Docker group that is named "box", which has all wheels and so needs no index."""
    monkeypatch.setenv("MLSERVE_WHEELS", str(iris_wheels()))
    monkeypatch.setenv("MLSERVE_OFFLINE", "1")
    with mlserve.connect() as client:
        client.resources.add("box", "docker", {"host": docker_engine.host, "hub": HUB_ID})
        yield client
        for service in client.services.list():
            service.delete()


@pytest.fixture
def example(iris: Path, tmp_path: Path) -> Path:
    """A copy of the iris example, with the group in its descriptor."""
    folder = tmp_path / "iris"
    shutil.copytree(iris.parent, folder)
    raw = json.loads((folder / "service.json").read_text())
    raw["metadata"]["resource"] = "box"
    (folder / "service.json").write_text(json.dumps(raw))
    return folder / "service.json"


def image_phase(service: Service) -> str:
    return next(str(phase["detail"]) for phase in service.reload().phases if phase["phase"] == "image")


def built(client: docker.DockerClient) -> dict[str, str]:
    """Tag → id of the images of the service."""
    found = client.api.images(filters={"label": f"{SERVICE}=iris"})
    return {tag: str(image["Id"]) for image in found for tag in image["RepoTags"] or ()}


def test_a_service_of_a_docker_group_is_packed_once_for_each_version(
    hub: Client, example: Path, docker_client: docker.DockerClient
) -> None:
    service = hub.services.create(example).wait(200)
    assert image_phase(service) == "built"
    assert service.predict(FLOWER)["species"] == "setosa"
    assert service.backend == "docker"
    first = built(docker_client)
    assert set(first) == {"mlserve/iris:1"}

    service.scale(2).wait(60)
    service.restart().wait(60)
    assert run("hub", "stop").returncode == 0
    service = hub.services.get("iris")
    assert service.predict(FLOWER)["species"] == "setosa"
    assert built(docker_client) == first, "neither scale, restart nor a new hub builds anything"

    model = example.with_name("iris.onnx")
    before = model.read_bytes()
    model.write_bytes(changed(before))
    service.update(example).wait(200)
    assert image_phase(service) == "built"
    second = built(docker_client)
    assert set(second) == {"mlserve/iris:1", "mlserve/iris:2"}
    layers = [layers_of(docker_client, tag) for tag in sorted(second)]
    assert layers[0][:-1] == layers[1][:-1], "the packages are those of version 1"
    assert service.predict(FLOWER)["species"] == "setosa"

    with pytest.raises(UpdateFailed):
        service.update(set=["metadata.memory=24"]).wait(100)
    service.restart().wait(60)
    assert service.predict(FLOWER)["species"] == "setosa"
    assert runs(docker_client) == {second["mlserve/iris:2"]}, "back at version 2, as it was built"
    assert {**built(docker_client), **second} == built(docker_client)
    model.write_bytes(before)
    service.update(example).wait(100)
    assert layers_of(docker_client, "mlserve/iris:4") == layers[0], "the layers of version 1 under another name"
    assert service.predict(FLOWER)["species"] == "setosa"

    service.delete()
    until(lambda: not built(docker_client), "the end of the images of a service that is gone", 60)


def test_instances_run_the_image_of_their_version_whatever_its_name_means_meanwhile(
    hub: Client, example: Path, docker_client: docker.DockerClient
) -> None:
    service = hub.services.create(example).wait(200)
    made = built(docker_client)["mlserve/iris:1"]
    docker_client.images.get(BASE).tag("mlserve/iris", "1")
    try:
        service.scale(2).wait(60)
    finally:
        docker_client.api.remove_image("mlserve/iris:1")  # only the name: the base has another
    containers = docker_client.containers.list(ignore_removed=True, filters={"label": "mlserve.service=iris"})
    assert [container.attrs["Image"] for container in containers] == [made, made]
    assert service.predict(FLOWER)["species"] == "setosa"


def layers_of(client: docker.DockerClient, tag: str) -> list[str]:
    return list(client.api.inspect_image(tag)["RootFS"]["Layers"])


def runs(client: docker.DockerClient) -> set[str]:
    """The ids of the images that run."""
    return {str(one["ImageID"]) for one in client.api.containers(filters={"label": f"mlserve.hub={HUB_ID}"})}


def changed(model: bytes) -> bytes:
    """The same model with another producer's name in it."""
    import onnx

    read = onnx.load_from_string(model)
    read.producer_name = "trained anew"
    return read.SerializeToString()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlserve_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL, check=False)


def test_an_image_that_was_removed_is_built_again_by_the_start_that_misses_it(
    hub: Client, example: Path, docker_client: docker.DockerClient
) -> None:
    service = hub.services.create(example).wait(200)
    service.stop().wait(60)
    (tag,) = built(docker_client)
    docker_client.api.remove_image(tag, force=True)
    service.start().wait(100)
    assert image_phase(service) == "built"
    assert service.predict(FLOWER)["species"] == "setosa"


def test_an_image_built_by_hand_serves_by_itself_and_is_what_create_takes(
    hub: Client, example: Path, docker_client: docker.DockerClient
) -> None:
    envs = f'processor_envs=[{{"name": "API_TOKEN", "value": "{SECRET}"}}]'
    done = run("build", str(example), "--set", envs, "-o", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["image"] == "mlserve/iris:1"
    assert told["digest"].startswith("sha256:")
    assert told["layers"] > 3
    assert "Step 1/" in done.stderr
    assert "warning" in done.stderr
    assert "docker run -e API_TOKEN" in done.stderr
    assert SECRET not in done.stderr + done.stdout
    assert answers_by_itself(docker_client, told["image"])

    service = hub.services.create(example, set=[envs]).wait(100)
    assert image_phase(service) == "reused"
    assert service.predict(FLOWER)["species"] == "setosa"
    again = run("build", str(example), "--set", envs)
    assert "mlserve/iris:1" in again.stdout, "the version that serves"
    assert "docker run --rm -p 8080:8080 mlserve/iris:1" in again.stdout
    newer = json.loads(run("build", str(example), "--set", "metadata.memory=600", "-o", "json").stdout)
    assert newer["image"] == "mlserve/iris:2", "the version it would become"


def answers_by_itself(client: docker.DockerClient, image: str) -> bool:
    port = free_port()
    container = client.containers.run(image, detach=True, read_only=True, ports={"8080/tcp": ("127.0.0.1", port)})
    try:
        until(lambda: ready(port), "an answer of the container", 60)
        return bool(httpx.post(f"http://127.0.0.1:{port}/", json=FLOWER).json()["species"] == "setosa")
    finally:
        container.remove(force=True)


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_a_notebook_builds_and_pushes(hub: Client, example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import base64

    with registry() as away:
        auth = base64.b64encode(f"{away.user}:{away.password}".encode()).decode()
        image = client_lib.build_image(example, set=[f"dockerAuth={auth}"], tag=f"{away.address}/team/iris", push=True)
        assert image.image == f"{away.address}/team/iris:1"
        assert image.pushed == f"{away.address}/team/iris@{image.digest}"
        assert away.repositories() == ["team/iris"]
        assert "<table>" in image._repr_html_()
        said = capsys.readouterr().out
        assert "Step 1/" in said
        assert auth not in said + str(image.to_dict())


def test_a_build_that_fails_ends_with_its_step(hub: Client, example: Path) -> None:
    code = example.with_name("code")
    code.mkdir()
    (code / "app.py").write_text("class App:\n    def predict(self, inputs):\n        return inputs\n")
    (code / "requirements.txt").write_text("flatbuffers>=99\n")
    raw: dict[str, Any] = {"name": "late", "processor_type": "python", "processor_path": str(code)}
    raw |= {"processor_entry": "app.py:App", "metadata": {"instance": 1, "cpu": 1, "resource": "box"}}
    with pytest.raises(BuildFailed, match="none of flatbuffers>=99") as caught:
        hub.images.build(raw)
    assert caught.value.details[0]["step"].startswith("RUN python3 -m venv")

    written = example.with_name("late.json")
    written.write_text(json.dumps(raw))
    created = run("create", str(written))
    assert created.returncode == 1
    assert "none of flatbuffers>=99" in created.stderr
    why = run("why", "late")
    assert "image" in why.stdout
    assert "No matching distribution found" in why.stdout


def test_what_cannot_be_built_is_said_before_anything_is_done(hub: Client, example: Path) -> None:
    assert "where is it to be pushed" in run("build", str(example), "--push").stderr
    assert "is no name for an image" in run("build", str(example), "--tag", "No/Such Name").stderr
    assert run("build", str(example), "--resource", "nowhere").returncode == 3
    assert "choose one that has: box" in run("build", str(example), "--resource", "local").stderr
