"""A plan says what an update then does, and does nothing itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlserve import client_lib
from mlserve.client import Client
from mlserve.client.plan import Plan
from mlserve.errors import InvalidDescriptor, NoCapacity
from mlserve.hub.api.answers import PlanAnswer


def mlserve(*words: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from mlserve_cli.main import run; run()", *map(str, words)]
    return subprocess.run(program, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100, check=False)


@pytest.fixture
def own(iris: Path, tmp_path: Path) -> Path:
    """The iris example where it can be changed, a small one."""
    folder = shutil.copytree(iris.parent, tmp_path / "iris")
    return written(folder / "service.json", instance=1, memory=256)


def written(path: Path, **metadata: Any) -> Path:
    raw = json.loads(path.read_text())
    raw["metadata"] |= metadata
    path.write_text(json.dumps(raw))
    return path


def pointers(found: Plan) -> list[str]:
    return [change["pointer"] for change in (*found.changes, *found.content)]


def test_a_plan_says_what_an_update_then_does_and_does_nothing_itself(client: Client, own: Path) -> None:
    first = client.services.plan(own)
    assert (first.action, first.version, first.fits) == ("create", {"old": None, "new": 1}, True)
    assert not client.services.list()
    service = client.services.create(own).wait(timeout=60)

    nothing = client.services.plan(own)
    assert (nothing.action, pointers(nothing), nothing.peak) == ("nothing", [], None)
    more = client.services.plan(written(own, instance=2))
    assert (more.action, pointers(more), more.peak["instances"]) == ("scale", ["/metadata/instance"], 2)
    assert (more.version["new"], more.instances) == (None, {"old": 1, "new": 2})
    service.update(own).wait(timeout=60)
    assert (service.version, len(service.instances())) == (1, 2)

    (own.parent / "iris.onnx").write_bytes((own.parent / "iris.onnx").read_bytes() + _note())
    other = client.services.plan(own, set=["metadata.memory=300"])
    assert (other.action, pointers(other)) == ("update", ["/metadata/memory", "/model_path"])
    assert other.content[0]["old"] != other.content[0]["new"]
    assert (other.strategy["name"], other.peak["instances"]) == ("blue_green", 4)
    assert other.peak["memory_mb"] == 2 * 256 + 2 * 300
    assert len(service.versions()) == 1
    for found in (first, nothing, more, other):
        assert PlanAnswer.model_validate(found.to_dict()).model_dump() == found.to_dict()
    service.update(own, set=["metadata.memory=300"]).wait(timeout=60)
    assert (service.version, len(service.instances())) == (other.version["new"], 2)


def _note() -> bytes:
    """An empty doc string at the end of an ONNX file: other bytes, the same model."""
    return b"\x32\x00"


def test_the_number_of_instances_in_a_file_may_go_up_and_down_again(client: Client, own: Path) -> None:
    service = client.services.create(own).wait(timeout=60)
    for count in (2, 1):
        service.update(written(own, instance=count)).wait(timeout=60)
        assert (service.version, len(service.instances())) == (1, count)
    service.scale(2).wait(timeout=60)
    assert client.services.plan(own).action == "nothing", "what was scaled stays"


def test_a_plan_in_the_terminal_has_the_exit_code_that_the_update_would_have(client: Client, own: Path) -> None:
    client.services.create(own).wait(timeout=60)
    assert mlserve("plan", own).returncode == 0
    large = mlserve("plan", own, "--set", "metadata.memory=9000000", "-o", "json")
    assert (large.returncode, json.loads(large.stdout)["fits"]) == (8, False)
    assert json.loads(large.stderr.splitlines()[-1])["error"]["code"] == "no-capacity"
    wrong = mlserve("plan", own, "--set", "metadata.cpus=1")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "/metadata/cpus" in wrong.stderr
    shown = mlserve("plan", own, "--set", "metadata.cpu=0.5", "--set", "token=hunter2hunter2")
    assert shown.returncode == 0
    assert "iris: version 1 → 2, 1 instance" in shown.stdout
    assert "hunter2" not in shown.stdout + shown.stderr


def test_a_notebook_sees_a_plan_as_a_table(home: Path, own: Path) -> None:
    found = client_lib.plan(own)
    assert "iris: create, fits" in repr(found)
    assert "<td>/metadata/memory</td>" in found._repr_html_()
    with pytest.raises(NoCapacity):
        client_lib.plan(own, set=["metadata.memory=9000000"]).require_possible()
    with pytest.raises(InvalidDescriptor):
        client_lib.plan(own, set=["metadata.memory=lots"])
