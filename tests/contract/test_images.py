"""Images of ours on a real engine: built, built again, used, sent away and brought back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.image_kit import HUB, OTHER_HUB, build, clear, layers, on, output, tags, words
from tests.docker_engine import BASE, Registry, registry
from tests.docker_engine import Engine as Daemon
from tests.docker_engine.parts import free_port
from tests.iris_wheels import IRIS, iris_wheels
from tests.waiting import until

from mlserve.backends.docker.building import Builder
from mlserve.backends.docker.image_store import ImageStore
from mlserve.descriptor import parse, read_file
from mlserve.engines.base import Artifacts
from mlserve.engines.choice import engine_of
from mlserve.errors import BuildFailed, FetchFailed
from mlserve.hub.packing import Contents
from mlserve.hub.packing import recipe as recipe_of
from mlserve.images.recipe import HUB as HUB_LABEL
from mlserve.images.recipe import PYTHON, Recipe

FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SECRET = "quiet-harbour-4711"


@pytest.fixture(scope="module")
def daemon(docker_engine: Daemon) -> Iterator[Daemon]:
    """The shared engine, which is left as it was found."""
    yield docker_engine
    clear(docker_engine)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return words(tmp_path)


def test_an_image_holds_all_that_it_needs(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    image, lines = build(daemon, tmp_path, recipe)
    assert image.reference == "mlserve/words:1"
    assert image.layers > 3
    assert image.size > 1e6
    assert any(line.startswith("Step 1/") for line in lines)
    assert output(daemon, image.reference) == "first"
    seen = json.loads(
        output(daemon, image.reference, PYTHON, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    )
    assert seen["SAID"] == recipe.environment["SAID"]
    assert seen["PORT"] == "8080"
    assert output(daemon, image.reference, "id", "-u") == "65534"
    assert output(daemon, image.reference, "pwd") == "/mlserve/code"


def test_a_step_of_thousands_of_characters_is_cut_where_it_is_shown(
    daemon: Daemon, tmp_path: Path, recipe: Recipe
) -> None:
    told = "told " * 1000
    image, lines = build(daemon, tmp_path, replace(recipe, environment={**recipe.environment, "SAID": told}))
    assert max(len(line) for line in lines) < 300
    asked = output(daemon, image.reference, PYTHON, "-c", "import os; print(os.environ['SAID'])")
    assert asked == told.strip()


def test_what_is_there_already_is_not_built_again(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    first, _ = build(daemon, tmp_path, recipe)
    again, lines = build(daemon, tmp_path, replace(recipe, tag="mlserve/words:2"))
    assert again.reused
    assert (again.id, again.reference) == (first.id, "mlserve/words:2")
    assert not [line for line in lines if line.startswith("Step")]
    fresh, lines = build(daemon, tmp_path, recipe, fresh=True)
    assert not fresh.reused
    assert any(line.startswith("Step 1/") for line in lines)


def test_another_model_stands_on_the_layers_of_the_first(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    first, _ = build(daemon, tmp_path, recipe)
    (tmp_path / "words").write_text("second")
    second, lines = build(daemon, tmp_path, replace(recipe, tag="mlserve/words:2"))
    assert output(daemon, second.reference) == "second"
    assert output(daemon, first.reference) == "first"
    ours, theirs = layers(daemon, second.reference), layers(daemon, first.reference)
    assert ours[-1] != theirs[-1]
    assert ours[:-1] == theirs[:-1]
    assert not [line for line in lines if "venv" in line], "no package is installed for it"


def test_a_deleted_service_leaves_its_foundation_and_names_of_others(
    daemon: Daemon, tmp_path: Path, recipe: Recipe
) -> None:
    first, _ = build(daemon, tmp_path, recipe)
    build(daemon, tmp_path, replace(recipe, tag="mlserve/other:1", labels={"mlserve.image.service": "other"}, port=1))
    with closing(daemon.client()) as client:
        client.api.tag(first.id, "mine/words", "kept")
    assert on(daemon, lambda engine: Builder(engine, HUB).remove_of("words"), tmp_path)
    left = tags(daemon)
    assert "mlserve/words:1" not in left
    assert {"mine/words:kept", "mlserve/other:1"} <= left
    assert any(tag.startswith("mlserve/foundation:") for tag in left)


def test_a_name_that_another_hub_uses_stays_with_it(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    theirs, _ = build(daemon, tmp_path, recipe, OTHER_HUB)
    ours, _ = build(daemon, tmp_path, recipe)
    assert ours.reference == f"mlserve/words:1-{HUB[:8]}"
    assert ours.id != theirs.id
    on(daemon, lambda engine: Builder(engine, OTHER_HUB).remove_of("words"), tmp_path)
    assert output(daemon, ours.reference) == "first"


def test_a_failed_build_shows_its_step_and_leaves_nothing(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    bad = replace(recipe, requirements=("surely-no-such-package==1",), offline=True)
    with pytest.raises(BuildFailed, match="none of surely-no-such-package==1") as caught:
        build(daemon, tmp_path, bad)
    detail = caught.value.details[0]
    assert detail["step"].startswith("RUN python3 -m venv")
    assert any("No matching distribution" in line for line in detail["log"])
    with closing(daemon.client()) as client:
        assert client.api.images(filters={"dangling": True, "label": f"{HUB_LABEL}={HUB}"}) == []


def test_a_base_image_that_is_nowhere_is_named(daemon: Daemon, tmp_path: Path, recipe: Recipe) -> None:
    base = f"127.0.0.1:{free_port()}/nothing:1"
    with pytest.raises(BuildFailed, match=f"its base is not on the engine, and {base} can't be pulled") as caught:
        build(daemon, tmp_path, replace(recipe, base=base))
    assert "MLSERVE_BASE_IMAGE" in caught.value.hint


def iris(more: dict[str, Any]) -> Contents:
    descriptor = parse({**read_file(IRIS), **more}).descriptor
    model = str(IRIS.with_name(str(descriptor.model_path)))
    return Contents("iris", 1, descriptor, engine_of(descriptor), Artifacts({"/model_path": model}))


@pytest.fixture(scope="module")
def iris_image(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The iris example with a secret among its variables, installed from wheels and without a network."""
    envs = [{"name": "API_TOKEN", "value": SECRET}, {"name": "MODE", "value": "fast"}]
    packed = recipe_of(iris({"processor_envs": envs}), BASE, offline=False)
    home, wheels = tmp_path_factory.mktemp("engine"), tuple(str(path) for path in iris_wheels().glob("*.whl"))
    image, lines = build(daemon, home, replace(packed, index=(), wheels=wheels, offline=True))
    assert not [line for line in lines if "Downloading" in line or SECRET in line]
    return image.reference


def test_docker_run_of_it_serves_with_nothing_else_around(daemon: Daemon, iris_image: str) -> None:
    port = free_port()
    with closing(daemon.client()) as client:
        container = client.containers.run(iris_image, detach=True, ports={"8080/tcp": ("127.0.0.1", port)})
        try:
            until(lambda: answers(port), "an answer of the container")
            told = httpx.post(f"http://127.0.0.1:{port}/", json=FLOWER).raise_for_status().json()
            assert told["species"] == "setosa"
        finally:
            container.remove(force=True)
        wheels = client.containers.run(iris_image, ["ls", "/mlserve"], remove=True)
    assert bytes(wheels).split() == [b"env", b"model", b"runtime"]


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_no_secret_is_in_an_image(daemon: Daemon, iris_image: str) -> None:
    with closing(daemon.client()) as client:
        told = json.dumps([client.api.inspect_image(iris_image), client.api.history(iris_image)])
        files = b"".join(client.images.get(iris_image).save())
    assert "MODE" in told
    assert SECRET not in told
    assert SECRET.encode() not in files


@pytest.fixture
def away() -> Iterator[Registry]:
    with registry() as found:
        yield found


def auth(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def push(daemon: Daemon, home: Path, image: str, told: str) -> str:
    return on(daemon, lambda engine: ImageStore(engine, HUB).push(image, told, lambda _: None), home)


def pull(daemon: Daemon, home: Path, image: str, told: str) -> str:
    return on(daemon, lambda engine: ImageStore(engine, HUB).pull(image, told, lambda _: None), home)


def test_an_image_is_pushed_and_comes_back(daemon: Daemon, tmp_path: Path, recipe: Recipe, away: Registry) -> None:
    tag, right = f"{away.address}/team/words:1", auth(away.user, away.password)
    image, _ = build(daemon, tmp_path, replace(recipe, tag=tag))
    pushed = push(daemon, tmp_path, tag, right)
    assert pushed.startswith(f"{away.address}/team/words@sha256:")
    assert away.repositories() == ["team/words"]
    with closing(daemon.client()) as client:
        client.api.remove_image(tag, force=True)
    assert pull(daemon, tmp_path, pushed, right) == pushed
    assert on(daemon, lambda engine: ImageStore(engine, HUB).identify(pushed), tmp_path) == image.id
    assert output(daemon, pushed) == "first"
    assert output(daemon, image.id) == "first"


def test_what_a_registry_refuses_is_told_apart(daemon: Daemon, tmp_path: Path, recipe: Recipe, away: Registry) -> None:
    tag, right = f"{away.address}/team/words:1", auth(away.user, away.password)
    build(daemon, tmp_path, replace(recipe, tag=tag))
    with pytest.raises(FetchFailed, match="does not accept these credentials"):
        push(daemon, tmp_path, tag, auth(away.user, "wrong"))
    with pytest.raises(FetchFailed, match="wants credentials, and there are none"):
        push(daemon, tmp_path, tag, "")
    push(daemon, tmp_path, tag, right)
    missing = f"{away.address}/team/words:2"
    with pytest.raises(FetchFailed, match=f"has no {missing}"):
        pull(daemon, tmp_path, missing, right)
    with pytest.raises(FetchFailed, match="does not accept these credentials"):
        pull(daemon, tmp_path, missing, auth("nobody", "wrong"))
    with pytest.raises(FetchFailed, match="wants credentials, and there are none"):
        pull(daemon, tmp_path, missing, "")
    away.process.kill()
    away.process.wait(10)
    with pytest.raises(FetchFailed, match="can't be reached from the engine"):
        pull(daemon, tmp_path, missing, right)
    with pytest.raises(FetchFailed, match="can't be reached from the engine"):
        push(daemon, tmp_path, tag, right)
    assert pull(daemon, tmp_path, tag, right) == tag, "what is there is not asked for again"
