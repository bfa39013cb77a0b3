"""Model repositories of Triton, read before a server sees them."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.descriptor import parse as parse_descriptor
from mlserve.errors import InvalidInput
from mlserve.hub.repositories import examine_repositories
from mlserve.inspection.repository import Model, look
from mlserve.inspection.repository.config import read
from mlserve.inspection.repository.prototext import Malformed, Message, parse

MODEL = "class TritonPythonModel:\n    def execute(self, requests): ...\n"
CONFIG = """
name: "{name}"  # as the folder
backend: "python"
max_batch_size: 8
input [ {{ name: "a" data_type: TYPE_FP32 dims: [ -1, 3 ] }} ]
output {{ name: "y", data_type: TYPE_STRING; dims: 1 }}
"""


def model(repository: Path, name: str, config: str | None = None, code: str | None = MODEL) -> Path:
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config or CONFIG.format(name=name))
    if code is not None:
        (folder / "1" / "model.py").write_text(code)
    return folder


def only(repository: Path) -> Model:
    (found,) = look(repository, ("python", "ensemble")).models
    return found


def plain(value: Any) -> Any:
    if isinstance(value, Message):
        return {name: [plain(item) for item in items] for name, items in value.values.items()}
    return value


def test_text_format_is_read_as_protobuf_reads_it() -> None:
    text = """
    # a comment
    name: "a" 'b\\n\\x41\\101'   count: -3  share: 1.5f on: true kind: KIND_CPU
    list: [1, 2, 0x10]  list: 4
    inner { x: 1 } inner < x: 2 >, inner: { x: 3 };
    many [ { x: 4 }, { x: 5 } ] empty: []
    """
    assert plain(parse(text)) == {
        "name": ["ab\nAA"],
        "count": [-3],
        "share": [1.5],
        "on": ["true"],
        "kind": ["KIND_CPU"],
        "list": [1, 2, 16, 4],
        "inner": [{"x": [1]}, {"x": [2]}, {"x": [3]}],
        "many": [{"x": [4]}, {"x": [5]}],
        "empty": [],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name: "a', "line 1"),
        ("a: 1\ninput [ { name: 'a' }", "line 2"),
        ("a: 1\n\nb: }", "line 3: a value is missing after b"),
        ("name 'a'", "line 1: name is followed by 'a'"),
        ("{ a: 1 }", "a field's name is expected"),
        ("a: [1 2]", "a , or ] is missing"),
        ("a {", "a closing } is missing"),
        ("a {" * 60, "nested more than"),
        ("ä: 1", "can't be read"),
    ],
)
def test_what_is_no_text_format_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=re.escape(said)):
        parse(text)


@given(st.text(alphabet="a1:{}[]<>,;\"'\\-.# \n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Malformed):
        parse(text)


def test_a_good_model_has_no_problem(tmp_path: Path) -> None:
    model(tmp_path, "adder")
    assert only(tmp_path) == Model("adder", "python", (1,))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('name: "adder" backnd: "python"', "backnd is no field of a model's configuration, the nearest is backend"),
        ('platform: "onnx"', 'platform "onnx" is not one that Triton has'),
        ('backend: "python" max_batch_size: -1', "max_batch_size is a whole number from 0, not -1"),
        ('backend: "python" input { name: "a" data_type: FP32 }', "data_type FP32 of input a"),
        ('backend: "python" input { name: "a" dims: [0] }', "dims of input a are whole numbers from 1"),
        ('backend: "python" output { data_type: TYPE_FP32 }', "an output has no name"),
        ('name: "other" backend: "python"', "they must be equal"),
        (
            'ensemble_scheduling { step { model_name: "b" } }',
            "the step of b has no model_version",
        ),
        ('backend: "python" version_policy { specific { versions: [2] } }', "asks for version 2, and there are 1"),
        ("backend: python max_batch_size", "line 1: max_batch_size is followed by"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(config: str, said: str, tmp_path: Path) -> None:
    model(tmp_path, "adder", config)
    assert any("config.pbtxt" in problem and said in problem for problem in only(tmp_path).problems)


def test_a_missing_file_is_named_with_the_backend_s_own_name_for_it(tmp_path: Path) -> None:
    model(tmp_path, "adder", code=None)
    assert only(tmp_path).problems == ("1/model.py is missing",)
    assert read('default_model_filename: "m.py"').file == "m.py"


def test_a_python_model_that_can_t_be_one_is_named(tmp_path: Path) -> None:
    model(tmp_path, "adder", code="class Model:\n    pass\n")
    assert only(tmp_path).problems == ("1/model.py has no class TritonPythonModel",)
    (tmp_path / "adder" / "1" / "model.py").write_text("def broken(:\n")
    assert only(tmp_path).problems[0].startswith("1/model.py, line 1: ")


def test_a_folder_without_versions_or_a_backend_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd" / "1").mkdir(parents=True)
    assert [found.problems[0].partition(":")[0] for found in look(tmp_path).models] == [
        "there is no version folder (a whole number, such as 1/) with the model in it",
        "nothing says which backend it is for",
    ]


def test_a_backend_that_the_server_lacks_comes_with_what_to_do(tmp_path: Path) -> None:
    folder = model(tmp_path, "net", 'platform: "onnxruntime_onnx"', code=None)
    (folder / "1" / "model.onnx").write_bytes(b"x")
    (problem,) = only(tmp_path).problems
    assert "its backend onnxruntime is not in this server" in problem
    assert "processor onnx serves this file, or a Docker group has it" in problem
    assert look(tmp_path).models[0].problems == (), "a server that is not known may have it"


def test_the_backend_is_told_by_the_file_where_nothing_else_says_it(tmp_path: Path) -> None:
    folder = model(tmp_path, "adder")
    (folder / "config.pbtxt").unlink()
    assert only(tmp_path).backend == "python"
    assert "there is no config.pbtxt" in look(tmp_path, configured=True).models[0].problems[0]


def test_an_ensemble_needs_its_models_and_no_version_folder(tmp_path: Path) -> None:
    model(tmp_path, "adder")
    (tmp_path / "chain").mkdir()
    steps = 'step [ { model_name: "adder" model_version: -1 }, { model_name: "%s" model_version: 1 } ]'
    for second, problems in (
        ("adder", ()),
        ("gone", ("config.pbtxt calls gone, and the repository has no such model",)),
    ):
        text = f'platform: "ensemble" ensemble_scheduling {{ {steps % second} }}'
        (tmp_path / "chain" / "config.pbtxt").write_text(text)
        assert look(tmp_path, ("python", "ensemble")).models[1].problems == problems


def test_what_is_no_repository_is_told_from_one(tmp_path: Path) -> None:
    folder = model(tmp_path, "adder")
    assert "adder is the folder of one model" in look(folder).problems[0]
    assert "is no folder" in look(folder / "config.pbtxt").problems[0]


def examined(repository: Path, *params: str) -> str:
    raw = {
        "name": "t",
        "processor": "triton",
        "processor_params": [f"--model-repository=file://{repository}", *params],
        "metadata": {"instance": 1, "cpu": 1},
    }
    return examine_repositories(parse_descriptor(raw).descriptor, {"/processor_params/0": str(repository)}).summary()


def test_one_bad_model_is_told_and_all_bad_ones_are_refused(tmp_path: Path) -> None:
    model(tmp_path, "good")
    bad = model(tmp_path, "bad", code=None)
    assert examined(tmp_path) == "triton, good (python), model bad: 1/model.py is missing"
    with pytest.raises(InvalidInput, match=r"model bad: 1/model.py is missing"):
        examined(tmp_path, "--exit-on-error=true")
    (tmp_path / "good" / "1" / "model.py").unlink()
    with pytest.raises(InvalidInput, match=r"model bad: .*; model good: "):
        examined(tmp_path)
    (bad / "1" / "model.py").write_text(MODEL)
    assert "bad (python)" in examined(tmp_path)


def test_models_that_are_loaded_by_name_have_to_be_there(tmp_path: Path) -> None:
    model(tmp_path, "good")
    explicit = ("--model-control-mode=explicit", "--load-model=gone")
    with pytest.raises(InvalidInput, match="--load-model=gone: the repository has no such model"):
        examined(tmp_path, *explicit)


def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is empty"):
        examined(tmp_path)
