"""The SDK against a real hub: plain functions, tables for notebooks, uploads that resume."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import mlserve
from mlserve import client_lib
from mlserve.client.uploads import take_in
from mlserve.context import Address
from mlserve.errors import InvalidDescriptor
from mlserve.management import Management


@pytest.mark.timeout(300)
def test_a_notebook_serves_a_model_with_plain_functions(home: Path, iris: Path) -> None:
    question = json.loads((iris.parent / "request.json").read_text())
    service = client_lib.create(iris)
    assert "<table>" in service._repr_html_()
    assert "iris" in client_lib.list()._repr_html_()
    answer = client_lib.predict("iris", question)
    assert answer == service.predict(question)
    with mlserve.Predictor("iris") as predictor:
        assert predictor.predict(question) == answer
    assert len(client_lib.scale("iris", 2).instances()) == 2
    assert "ready" in str(client_lib.logs("iris"))
    assert "<pre>" in client_lib.describe("iris").logs(tail=1)._repr_html_()
    assert client_lib.versions("iris")[0]["version"] == 1
    assert client_lib.validate(iris)["valid"]
    with pytest.raises(InvalidDescriptor):
        client_lib.create({"name": "x", "nonsense": 1})
    client_lib.delete("iris")
    assert len(client_lib.list()) == 0


@pytest.mark.timeout(300)
def test_an_upload_sends_only_what_is_missing_and_goes_on_where_it_broke_off(home: Path, tmp_path: Path) -> None:
    with mlserve.connect() as client:
        here = client._management.address
        client.hub.status()
    elsewhere = Management(lambda: Address(here.url, here.token, "a test", local=False))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 40_000)
    (folder / "empty.txt").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    data = (folder / "weights.bin").read_bytes()
    half = len(data) // 2
    sha256 = hashlib.sha256(data).hexdigest()
    elsewhere.put(f"/v1/content/blobs/{sha256}", data[:half], offset=0, size=len(data))

    progress: list[tuple[int, int]] = []
    first = take_in(elsewhere, {"/model_path": "model"}, tmp_path, lambda sent, total: progress.append((sent, total)))
    assert progress[0][0] >= half
    assert progress[-1][0] == progress[-1][1]
    progress.clear()
    again = take_in(elsewhere, {"/model_path": "model"}, tmp_path, lambda sent, total: progress.append((sent, total)))
    assert (again, progress) == (first, [])
    local = Management(lambda: here)
    assert take_in(local, {"/model_path": "model"}, tmp_path) == first
    elsewhere.close()
    local.close()
