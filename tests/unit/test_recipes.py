"""Recipes of images: what is written for them, what decides them, and why they fail. No engine takes part."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlserve.errors import InvalidInput
from mlserve.images.context import archive, digest, foundation_key, of_foundation, of_image
from mlserve.images.dockerfile import dockerfile, foundation
from mlserve.images.recipe import PYTHON, Layer, Recipe


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "program.py").write_text("print()\n")
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "__pycache__" / "app.pyc").write_bytes(b"old")
    (tmp_path / "code" / "app.py").write_text("answer = 42\n")
    (tmp_path / "code" / "run.sh").write_text("exec true\n")
    (tmp_path / "code" / "run.sh").chmod(0o700)
    (tmp_path / "model.onnx").write_bytes(b"model")
    return Recipe(
        "mlserve/iris:1",
        "python:3.11-slim",
        requirements=("numpy>=1.24",),
        runtime=Layer({"/mlserve/runtime": str(tmp_path / "runtime")}),
        code=Layer({"/mlserve/code/app": str(tmp_path / "code")}),
        model=Layer({"/mlserve/model/model.onnx": str(tmp_path / "model.onnx")}),
        command=(PYTHON, "-m", "program", "{port}"),
        environment={"GREETING": 'say "hi" for $5 \\ more'},
    )


def members(recipe: Recipe) -> dict[str, tarfile.TarInfo]:
    data = b"".join(archive(of_image(recipe, dockerfile(recipe, "below"))))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: info for info in tar.getmembers()}


def test_layers_go_from_what_seldom_changes_to_what_often_does(recipe: Recipe) -> None:
    lines = (foundation(recipe) + dockerfile(recipe, "below")).splitlines()
    order = [line.split("/")[0] for line in lines if line.startswith("COPY")]
    assert order == ["COPY requirements", "COPY runtime", "COPY code", "COPY model"]
    assert next(index for index, line in enumerate(lines) if "pip install" in line) == 2


def test_every_builder_reads_it(recipe: Recipe) -> None:
    text = foundation(replace(recipe, wheels=("/w/a-1-py3-none-any.whl",))) + dockerfile(recipe, "below")
    words = {line.split()[0] for line in text.splitlines()}
    assert words <= {"FROM", "LABEL", "COPY", "RUN", "ENV", "WORKDIR", "EXPOSE", "USER", "ENTRYPOINT", "CMD"}
    assert "--mount" not in text
    assert "# syntax" not in text


def test_what_runs_is_nobody_at_its_port(recipe: Recipe) -> None:
    text = dockerfile(replace(recipe, port=9000), "below")
    assert "\nUSER 65534:65534\n" in foundation(recipe)
    assert "\nEXPOSE 9000\n" in text
    assert f'CMD ["{PYTHON}", "-m", "program", "9000"]' in text
    assert 'PORT="9000"' in text


def test_nothing_in_a_value_is_taken_for_a_part_of_the_dockerfile(recipe: Recipe) -> None:
    assert r'GREETING="say \"hi\" for \$5 \\ more"' in dockerfile(recipe, "below")


def test_wheels_are_enough_without_a_network(recipe: Recipe) -> None:
    wheel = "/wheels/numpy-2.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    offline = foundation(replace(recipe, wheels=(wheel,), offline=True, index=("--index-url", "https://index")))
    assert "--no-index --find-links /mlserve/wheels" in offline
    assert "https://index" not in offline
    assert offline.splitlines()[-1] != "COPY wheels/ /"
    assert offline.count("FROM python:3.11-slim") == 2, "the wheels stay behind in a stage of their own"


def test_an_index_and_wheels_may_both_be_asked(recipe: Recipe) -> None:
    text = foundation(replace(recipe, wheels=("/w/torch-2.0-py3-none-any.whl",), index=("--index-url", "https://i")))
    assert "--index-url https://i --find-links /mlserve/wheels" in text


def test_a_context_is_the_same_bytes_whenever_it_is_made(recipe: Recipe, tmp_path: Path) -> None:
    before = b"".join(archive(of_image(recipe, "FROM x")))
    for path in tmp_path.rglob("*"):
        os.utime(path, (1, 1))
    assert b"".join(archive(of_image(recipe, "FROM x"))) == before


def test_a_context_is_readable_for_whoever_runs_it(recipe: Recipe) -> None:
    found = members(recipe)
    assert found["code/mlserve/code/app/app.py"].mode == 0o644
    assert found["code/mlserve/code/app/run.sh"].mode == 0o755
    assert found["code/mlserve/code/app"].isdir()
    assert {info.uid for info in found.values()} == {0}
    assert {info.mtime for info in found.values()} == {0}
    assert not [name for name in found if "__pycache__" in name]


def test_what_links_lead_to_is_in_the_image(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "words.txt").write_text("words")
    (tmp_path / "code" / "data").symlink_to(tmp_path / "elsewhere")
    assert members(recipe)["code/mlserve/code/app/data/words.txt"].isfile()


def test_a_link_in_a_circle_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "code" / "again").symlink_to(tmp_path / "code")
    with pytest.raises(InvalidInput, match="leads back"):
        members(recipe)


def test_the_digest_is_of_the_content_and_of_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    first = digest(recipe)
    assert digest(replace(recipe, tag="other/name:7", labels={"mlserve.image.version": "7"})) == first
    assert digest(replace(recipe, environment={"GREETING": "ho"})) != first
    assert digest(replace(recipe, requirements=("numpy>=2",))) != first
    (tmp_path / "model.onnx").write_bytes(b"other")
    assert digest(recipe) != first


def test_a_known_digest_stands_for_the_files(recipe: Recipe, tmp_path: Path) -> None:
    known = replace(recipe, model=replace(recipe.model, digests={"/mlserve/model/model.onnx": "sha256:1"}))
    first = digest(known)
    (tmp_path / "model.onnx").unlink()
    assert digest(known) == first


def test_another_model_stands_on_the_same_foundation(recipe: Recipe, tmp_path: Path) -> None:
    first = foundation_key(recipe, "sha256:base")
    (tmp_path / "model.onnx").write_bytes(b"other")
    (tmp_path / "code" / "app.py").write_text("answer = 43\n")
    assert foundation_key(recipe, "sha256:base") == first
    assert foundation_key(recipe, "sha256:newer") != first, "a base that was pulled anew"
    (tmp_path / "runtime" / "program.py").write_text("print('new')\n")
    assert foundation_key(recipe, "sha256:base") != first


def test_a_foundation_brings_requirements_and_wheels(recipe: Recipe, tmp_path: Path) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    data = b"".join(archive(of_foundation(replace(recipe, wheels=(str(wheel),)), "FROM x")))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.extractfile("requirements/mlserve/requirements.txt").read() == b"numpy>=1.24\n"  # type: ignore[union-attr]
        assert tar.extractfile("wheels/mlserve/wheels/a-1-py3-none-any.whl").read() == b"wheel"  # type: ignore[union-attr]
