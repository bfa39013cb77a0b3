"""A descriptor of containers as a workload, and the image that its packages are put into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlserve.descriptor import BACKENDS, parse
from mlserve.engines.base import Artifacts
from mlserve.engines.choice import engine_of
from mlserve.engines.image import ImageEngine
from mlserve.errors import FetchFailed, InvalidDescriptor
from mlserve.hub.deriving import recipes
from mlserve.hub.hardening import bound
from mlserve.hub.packing import Contents, launch_inside
from mlserve.images.context import digest
from mlserve.images.dockerfile import dockerfile, foundation
from mlserve.workload import Mount, MountKind, Workload

NO_FILES = Artifacts()


def contents(*containers: dict[str, Any], artifacts: Artifacts = NO_FILES, **fields: Any) -> Contents:
    read = parse({"name": "app", "containers": list(containers), **fields}, supported=BACKENDS["docker"]).descriptor
    return Contents("app", 2, read, engine_of(read), artifacts)


def workload(*containers: dict[str, Any], artifacts: Artifacts = NO_FILES, **fields: Any) -> Workload:
    made = contents(*containers, **fields)
    assert isinstance(made.engine, ImageEngine)
    return made.engine.workload(made.descriptor, artifacts, launch_inside("app", 2))


def test_the_main_container_is_the_workload_and_the_others_stand_beside_it() -> None:
    main = {"image": "app", "port": 8000, "command": "serve --port $PORT '--at=${LISTENING_PORT}'", "user": "root"}
    beside = {"image": "beside", "script": "a; b", "env": [{"name": "A", "value": 1}], "user": 1000, "read_only": False}
    found = workload(beside, main, processor_envs=[{"name": "B", "value": "2"}])
    assert (found.image, found.port, found.user, found.read_only) == ("app", 8000, "0:0", True)
    assert found.command == ("serve", "--port", "{port}", "--at={port}")
    assert found.environment == {"B": "2"}
    (other,) = found.containers
    assert (other.image, other.command, other.environment) == ("beside", ("sh", "-c", "a; b"), {"A": "1"})
    assert (other.user, other.read_only, other.port) == ("1000:1000", False, None)


def test_nothing_said_leaves_the_image_as_it_starts() -> None:
    found = workload({"image": "app", "port": 80})
    assert (found.command, found.user, found.health_path, found.workdir) == ((), "", None, None)


def test_braces_of_a_script_are_its_own() -> None:
    found = workload({"image": "app", "port": 80, "script": "port=1; echo ${port}"})
    assert found.command == ("sh", "-c", 'eval "$MLSERVE_SCRIPT"')
    assert found.environment["MLSERVE_SCRIPT"] == "port=1; echo ${port}"


@pytest.mark.parametrize(
    ("check", "path", "port"),
    [
        ({"http_get": {"path": "/h"}}, "/h", None),
        ({"http_get": {"path": "/h", "port": 8000}}, "/h", None),
        ({"http_get": {"path": "/h", "port": 9000}}, "/h", 9000),
        ({"tcp_socket": {"port": 9000}}, None, 9000),
    ],
)
def test_a_health_check_is_a_path_or_an_open_port(check: dict[str, Any], path: str | None, port: int | None) -> None:
    found = workload({"image": "app", "port": 8000, "health_check": check})
    assert (found.health_path, found.health_port) == (path, port)


def test_files_lie_where_images_made_for_eas_look_for_them() -> None:
    artifacts = Artifacts({"/model_path": "/kept/model", "/processor_path": "/kept/code"})
    found = workload({"image": "app", "port": 1}, artifacts=artifacts, model_path="m", processor_path="c")
    assert found.mounts == (
        Mount("/eas/workspace/model", MountKind.FILES, "/kept/model"),
        Mount("/ml/usercode", MountKind.FILES, "/kept/code"),
    )
    assert found.environment["MODEL_PATH"] == "/eas/workspace/model"


def test_packages_become_an_image_of_their_own_which_starts_as_before() -> None:
    wish = {"image": "app", "port": 1, "prepare": {"pythonRequirements": ["numpy>=2"]}}
    made = recipes(contents({"image": "beside"}, wish), offline=False)
    assert list(made) == ["/containers/1"]
    recipe = made["/containers/1"]
    assert recipe.tag == "mlserve/app:2"
    assert foundation(recipe).startswith("FROM app\n")
    assert dockerfile(recipe, "below") == "FROM below\n", "how it starts is the image's own affair"
    assert digest(recipe) == digest(recipes(contents(wish), offline=False)["/containers/0"])
    found = workload({"image": "b"}, wish, artifacts=Artifacts(images={"/containers/0": "made"}))
    assert found.containers[0].image == "made"


def test_a_file_of_packages_is_read_in_the_image_or_from_what_is_mounted(tmp_path: Path) -> None:
    def made(path: str) -> Any:
        artifacts = Artifacts({"/processor_path": str(tmp_path)})
        wish = {"image": "app", "port": 1, "prepare": {"pythonRequirementsPath": path}}
        return recipes(contents(wish, artifacts=artifacts, processor_path="c"), offline=False)["/containers/0"]

    assert "--requirement /srv/requirements.txt" in foundation(made("/srv/requirements.txt"))
    (tmp_path / "requirements.txt").write_text("# ours\n\nnumpy>=2  # arrays\n")
    assert made("/ml/usercode/requirements.txt").requirements == ("numpy>=2",)
    with pytest.raises(FetchFailed, match="there is no /ml/usercode/other"):
        made("/ml/usercode/other.txt")


def test_a_password_among_packages_is_refused() -> None:
    secret = "pkg @ https://user:quiet-harbour@host/pkg.whl"
    with pytest.raises(InvalidDescriptor) as refused:
        recipes(contents({"image": "a", "port": 1, "prepare": {"pythonRequirements": [secret]}}), offline=False)
    assert "quiet-harbour" not in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("OSError: [Errno 30] Read-only file system: '/app/cache'", "read_only"),
        ("touch: /app/x: Permission denied", '"user"'),
        ("nginx: [emerg] chown() failed (1: Operation not permitted)", '"user"'),
    ],
)
def test_what_a_containers_bounds_end_names_the_field_that_loosens_them(line: str, word: str) -> None:
    told = bound(f"start\n{line}\nend", own_image=True)
    assert told is not None
    assert line in told[0]
    assert word in told[1]
    other = bound(line, own_image=False)
    assert other is not None
    assert "containers" not in other[1]
    assert bound("all is well", own_image=True) is None
