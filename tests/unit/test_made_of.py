"""The digests of a version: the same for the same files, another for others, wherever they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlserve import storage
from mlserve.hub import made_of
from mlserve.storage import ContentStore, fingerprint
from mlserve.storage.fingerprint import READ_AT_MOST


def test_a_file_that_is_used_in_place_has_the_digest_of_its_copy(tmp_path: Path) -> None:
    store, model = ContentStore(tmp_path / "content"), tmp_path / "model.onnx"
    model.write_bytes(b"model")
    kept = store.add(model)
    paths = {"/model_path": str(store.open(kept.digest, kept.name)), "/processor_path": str(model)}
    assert made_of.files(store, paths) == {"/model_path": kept.digest, "/processor_path": kept.digest}


def test_files_too_large_to_read_are_known_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model.bin"
    with model.open("wb") as file:
        file.truncate(READ_AT_MOST + 1)
    before = fingerprint(model)
    assert before.startswith("stat:")
    assert fingerprint(model) == before
    os.utime(model, (1, 1))
    assert fingerprint(model) != before


def test_what_can_not_be_read_has_none(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "content")
    assert storage.fingerprint(tmp_path / "nothing") == ""
    assert made_of.files(store, {"/storage/0": str(tmp_path / "nothing")}) == {}


def test_the_parts_of_a_version() -> None:
    one = {"/model_path": "sha256:m", "/processor_path": "sha256:c", "/warm_up_data_path": "sha256:w"}
    assert made_of.parts(one, "sha256:e") == {"model": "sha256:m", "code": "sha256:c", "environment": "sha256:e"}
    assert made_of.parts({}, "") == {"model": None, "code": None, "environment": None}
    steps = {"/pipeline/0/model_path": "sha256:1", "/pipeline/1/model_path": "sha256:2"}
    together = made_of.parts(steps, "")["model"]
    assert together not in (None, "sha256:1", "sha256:2")
    assert made_of.parts(dict(reversed(steps.items())), "")["model"] == together
    assert made_of.parts({**steps, "/pipeline/1/model_path": "sha256:3"}, "")["model"] != together


def test_an_environment_is_its_packages_on_its_python_in_any_order() -> None:
    assert made_of.of_packages(["a==1", "b==2"], "3.11") == made_of.of_packages(["b==2", "a==1"], "3.11")
    others = {
        made_of.of_packages(["a==1"], "3.11"),
        made_of.of_packages(["a==2"], "3.11"),
        made_of.of_packages(["a==1"], "3.12"),
    }
    assert len(others) == 3
