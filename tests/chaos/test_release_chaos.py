"""A service's versions change under constant load, in every way there is, and nobody who asks can tell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.table import Table
from tests.chaos.test_chaos import under_load
from tests.conftest import ROOT
from tests.waiting import until

from mlserve.client import Client, Service

LIMIT = 60
CANARY = {
    "steps": [{"weight": 20, "pause": "1s"}, {"weight": 50, "pause": "1s"}],
    "gates": {"max_error_percent": 1},
    "keep": "1s",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The iris example where it may be changed."""
    return shutil.copytree(ROOT / "examples" / "iris", tmp_path_factory.mktemp("own") / "iris")


@pytest.fixture
def pair(hub: Client, folder: Path) -> Service:
    """A service with two instances, as the test before left it, but for the version that it kept."""
    there = hub.services.list()
    return there[0] if there else hub.services.create(wish(folder)).wait(timeout=LIMIT)


def wish(folder: Path, release: Mapping[str, Any] | None = None, *, queue: int = 64, **metadata: Any) -> Path:
    """The descriptor of a next version, which differs by the length of its queue."""
    path = folder / "service.json"
    written = json.loads(path.read_text())
    written["metadata"] = {"instance": 2, "cpu": 0.5, "memory": 256, "rpc.max_queue_size": queue, **metadata}
    written.pop("release", None)
    path.write_text(json.dumps(written | ({"release": release} if release else {})))
    return path


def test_rolling(pair: Service, folder: Path, table: Table) -> None:
    rolling = {"max_surge": 1, "max_unavailable": 0}
    with under_load(pair) as load:
        pair.update(wish(folder, queue=65, rolling_strategy=rolling)).wait(timeout=LIMIT)
    assert table.add("rolling release", load) == []


def test_blue_green_and_back(pair: Service, folder: Path, table: Table) -> None:
    before = pair.version
    with under_load(pair) as load:
        pair.update(wish(folder, {"strategy": "blue_green"}, queue=66)).wait(timeout=LIMIT)
    assert table.add("blue-green release", load) == []
    with under_load(pair) as load:
        pair.rollback().wait(timeout=LIMIT)
    assert table.add("roll-back to the version that is kept", load) == []
    assert pair.version == before


def test_a_canary_to_the_end(pair: Service, folder: Path, table: Table) -> None:
    with under_load(pair) as load:
        version = pair.update(wish(folder, CANARY, queue=67)).wait(timeout=LIMIT).version
    assert table.add("canary to the end: 20 %, 50 %, all", load) == []
    assert pair.releases.status()["release"]["state"] == "done"
    with under_load(pair) as load:
        until(lambda: {one["version"] for one in pair.instances()} == {version})
        pair.rollback(1).wait(timeout=LIMIT)
    assert table.add("roll-back to an older version, which starts again", load) == []
