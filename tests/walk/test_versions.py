"""Versions say what they are made of, and which of them serves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mlserve.client import Client
from mlserve.errors import UpdateFailed


def test_each_version_has_the_digests_of_its_parts_and_says_what_became_of_it(
    client: Client, iris: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(iris.parent, tmp_path / "iris") / "service.json"
    own.write_text(json.dumps({**json.loads(own.read_text()), "metadata": {"instance": 1, "memory": 256}}))
    service = client.services.create(own).wait(timeout=60)
    model = own.parent / "iris.onnx"
    first = model.read_bytes()
    service.update(own, set=["metadata.memory=300"]).wait(timeout=60)
    model.write_bytes(first + b"\x32\x00")  # an empty doc string: other bytes, the same model
    service.update(own, set=["metadata.memory=300"]).wait(timeout=60)
    model.write_bytes(b"no model")
    with pytest.raises(UpdateFailed):
        service.update(own, set=["metadata.memory=300"]).wait(timeout=60)

    found = {one["version"]: one for one in service.versions()}
    assert [(number, one["state"]) for number, one in found.items()] == [
        (4, "failed"), (3, "serving"), (2, "replaced"), (1, "replaced"),
    ]  # fmt: skip
    digests = {number: one["digests"] for number, one in found.items()}
    assert digests[1] == digests[2], "only the memory is another one"
    assert len({digests[number]["model"] for number in (2, 3, 4)}) == 3
    assert digests[3]["environment"] == digests[1]["environment"] is not None
    assert digests[4]["environment"] is None, "it came to none"
    assert digests[1]["code"] is None
    assert found[1]["files"] == {"/model_path": digests[1]["model"]}
    head, newest = repr(service.versions()).splitlines()[:2]
    assert head.split() == ["VERSION", "STATE", "MODEL", "CODE", "ENVIRONMENT", "CREATED", "AT"]
    assert newest.split()[:5] == ["4", "failed", str(digests[4]["model"]).removeprefix("sha256:")[:12], "-", "-"]
