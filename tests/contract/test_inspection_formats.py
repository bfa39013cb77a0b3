"""Formats whose libraries are not here are looked into all the same, whole, cut or altered."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests import heavy

from mlserve.engines.catalogue import catalogue
from mlserve.inspection import Finding, inspect

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]  # the first run builds environments
MODELS = Path(__file__).parent / "models"
NEEDS = {"lightgbm": ("scikit-learn", "pandas"), "catboost": ("scikit-learn",)}


def made(processor: str) -> Path:
    """The models of one script of the contract suite."""
    python = heavy.python_with(*catalogue()[processor].needs(gpu=False, config={}), *NEEDS.get(processor, ()))
    return heavy.make_model(python, (MODELS / f"{processor}.py").read_text())


def looked(processor: str, file: str) -> Finding:
    return inspect(made(processor) / file)


def test_a_savedmodel_tells_its_signature() -> None:
    found = looked("tensorflow", "model")
    assert (found.format, found.problems, found.file, found.runs_code) == ("tensorflow", (), "1", "")
    assert {tensor["name"]: (tensor["type"], tensor["shape"]) for tensor in found.inputs} == {
        "x": ("float32", [-1, 3]),
        "word": ("string", [-1]),
    }
    assert {tensor["name"]: tensor["type"] for tensor in found.outputs} == {
        "probabilities": "float32",
        "shout": "string",
    }
    assert set(found.facts["signatures"]) == {"serving_default", "raw"}
    assert found.facts["saved_with"].startswith("tensorflow 2.")
    assert dict(found.versions) == {}, "an old one reads in the newest TensorFlow: nothing is pinned"


def test_a_savedmodel_that_writes_files_is_named() -> None:
    found = looked("tensorflow", "writer")
    assert found.dangerous == ("WriteFile",)
    assert "WriteFile" in found.runs_code


def test_a_savedmodel_without_its_weights_is_named(tmp_path: Path) -> None:
    shutil.copytree(made("tensorflow") / "model", tmp_path / "model")
    for file in (tmp_path / "model").rglob("variables.data-*"):
        file.unlink()
    assert "variables.data" in inspect(tmp_path / "model").problems[0]
    shutil.rmtree(tmp_path / "model" / "1" / "variables")
    assert "variables.index" in inspect(tmp_path / "model").problems[0]


@pytest.mark.parametrize("file", ["model.keras", "model.h5"])
def test_a_keras_model_tells_its_inputs(file: str) -> None:
    found = looked("keras", file)
    assert (found.format, found.problems, found.runs_code, found.dangerous) == ("keras", (), "", ())
    assert list(found.inputs) == [{"name": "image", "type": "float32", "shape": [-1, 8, 8, 1]}]
    if file == "model.keras":
        assert found.facts["saved_with"].startswith("3.")


def test_a_lambda_layer_is_code() -> None:
    found = looked("keras", "lambda.keras")
    assert "Lambda" in found.runs_code
    assert found.dangerous == ("a Lambda layer",)


def test_programs_of_pytorch_are_told_from_weights() -> None:
    assert looked("pytorch", "scripted.pt").facts["kind"] == "TorchScript"
    assert looked("pytorch", "scripted.pt").runs_code == ""
    assert looked("pytorch", "writer.pt").dangerous == ("save",)
    found = looked("pytorch", "model.pt2")
    assert found.format == "pytorch"
    assert "can run code" in found.runs_code
    assert list(found.inputs) == [{"name": "x", "type": "float32", "shape": [-1, 4]}]
    assert [tensor["name"] for tensor in looked("pytorch", "two.pt2").inputs] == ["a", "b"]
    for file in ("weights.pt", "pickled.pt", "legacy.pth"):
        found = looked("pytorch", file)
        assert (found.format, found.problems) == (None, ()), "user code may well load it"
        assert "no program" in found.notes[0]
        assert "can run code" in found.runs_code
    assert "__main__" in looked("pytorch", "pickled.pt").modules


def test_a_pickle_in_a_pytorch_file_that_does_more_than_load_is_named(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, ("true",)

    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(Evil()))
    assert inspect(tmp_path / "m.pt").dangerous == ("posix.system",)


def test_a_hugging_face_folder_is_known_by_its_config() -> None:
    found = looked("huggingface", "classifier")
    assert (found.format, found.problems, found.notes, found.runs_code) == ("huggingface", (), (), "")
    assert found.facts["class"] == "BertForSequenceClassification"
    assert found.facts["labels"] == ["sad", "glad"]
    assert "pickle" in looked("huggingface", "pickled").runs_code


def test_a_hugging_face_folder_with_parts_missing_or_code_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(made("huggingface") / "encoder", folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-7])
    assert "cut off" in inspect(folder).problems[0]
    weights.write_bytes(whole)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00002.safetensors"}}')
    assert "model-00002.safetensors" in inspect(folder).problems[0]
    (folder / "model.safetensors.index.json").unlink()
    config = json.loads((folder / "config.json").read_text()) | {"auto_map": {"AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert "auto_map" in inspect(folder).runs_code
    weights.unlink()
    assert "weights are missing" in inspect(folder).problems[0]


def test_a_lightgbm_model_tells_its_features(tmp_path: Path) -> None:
    found = looked("lightgbm", "model.txt")
    assert (found.format, found.problems, found.facts["num_class"]) == ("lightgbm", (), 3)
    assert found.inputs[0]["shape"] == [-1, 4]
    text = (made("lightgbm") / "model.txt").read_text()
    for end in ("end of trees", "end of parameters"):
        (tmp_path / "m.txt").write_text(text[: text.index(end)])
        assert end in inspect(tmp_path / "m.txt").problems[0]


def test_text_that_is_no_model_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("trees are nice")
    assert inspect(tmp_path / "notes.txt") == Finding()


@pytest.mark.parametrize("file", ["model.cbm", "model.json"])
def test_a_catboost_model_is_known_in_both_formats(file: str, tmp_path: Path) -> None:
    found = looked("catboost", file)
    assert (found.format, found.problems, found.facts["objective"]) == ("catboost", (), "MultiClass")
    data = (made("catboost") / file).read_bytes()
    (tmp_path / file).write_bytes(data[: len(data) // 2])
    assert "cut off" in inspect(tmp_path / file).problems[0]


def test_a_pmml_document_tells_its_fields(tmp_path: Path) -> None:
    found = inspect(MODELS / "trees.pmml")
    assert (found.format, found.problems, found.facts["model"]) == ("pmml", (), "TreeModel")
    assert {tensor["name"]: tensor["type"] for tensor in found.inputs} == {"age": "float64", "job": "string"}
    assert found.facts["target"] == ["rich"]
    text = (MODELS / "trees.pmml").read_text()
    (tmp_path / "m.pmml").write_text(text[: len(text) // 2])
    assert "cut off" in inspect(tmp_path / "m.pmml").problems[0]


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><PMML>&b;</PMML>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><PMML/>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><PMML>&a;</PMML>',
    ],
)
def test_entities_are_refused_before_they_grow(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "m.pmml").write_text(bomb)
    assert "refused" in inspect(tmp_path / "m.pmml").problems[0]


def test_other_xml_is_no_pmml(tmp_path: Path) -> None:
    (tmp_path / "m.pmml").write_text("<html/>")
    assert inspect(tmp_path / "m.pmml").format is None


FILES = {
    "saved_model.pb": ("tensorflow", "model/1/saved_model.pb"),
    "m.keras": ("keras", "model.keras"),
    "m.h5": ("keras", "model.h5"),
    "m.pt": ("pytorch", "scripted.pt"),
    "w.pt": ("pytorch", "weights.pt"),
    "m.pt2": ("pytorch", "model.pt2"),
    "m.txt": ("lightgbm", "model.txt"),
    "m.cbm": ("catboost", "model.cbm"),
    "m.json": ("catboost", "model.json"),
    "m.safetensors": ("huggingface", "encoder/model.safetensors"),
    "config.json": ("huggingface", "encoder/config.json"),
}


@pytest.mark.parametrize("name", [*FILES, "m.pmml"])
def test_no_cut_or_altered_file_breaks_the_reading(name: str, tmp_path: Path) -> None:
    source = made(FILES[name][0]) / FILES[name][1] if name in FILES else MODELS / "trees.pmml"
    data, chance = source.read_bytes(), random.Random(7)
    for turn in range(60):
        altered = bytearray(data if turn % 2 else data[: chance.randrange(len(data))])
        for _ in range(chance.randrange(1, 8) if altered else 0):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        (tmp_path / name).write_bytes(altered)
        assert isinstance(inspect(tmp_path / name), Finding)
        assert isinstance(inspect(tmp_path), Finding)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from([*FILES, "m.pmml", "m.xml", "m.ts", "m.lgb"]), data=st.binary(max_size=300))
@example(name="m.safetensors", data=struct.pack("<Q", 2**63) + b"{}")
@example(name="m.safetensors", data=struct.pack("<Q", 12) + b'{"a":{"b":1}')
@example(name="m.cbm", data=b"CBM1\xff\xff\xff\xff")
@example(name="m.h5", data=b"\x89HDF\r\n\x1a\n\x00")
@example(name="m.pmml", data=b"<PMML><Header><Application/></Header>" + b"<a>" * 300)
@example(name="m.txt", data=b"tree\nversion=\nnum_class=\xff")
@example(name="config.json", data=b'{"architectures": 5, "id2label": [], "auto_map": ""}')
@example(name="config.json", data=b"[" * 300)
def test_no_bytes_break_the_reading(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert isinstance(inspect(tmp_path / name), Finding)
    assert isinstance(inspect(tmp_path), Finding)
    (tmp_path / name).unlink()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(["m.keras", "m.pt", "m.pt2"]),
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner) | st.dictionaries(
            st.sampled_from(["class_name", "config", "graph_module", "signature", "input_specs", "batch_shape", "name",
                             "user_input", "arg", "as_tensor", "tensor_values", "graph", "keras_version", "module"]),
            inner), max_leaves=20,
    ),
)  # fmt: skip
def test_no_json_in_an_archive_breaks_the_reading(name: str, value: Any, tmp_path: Path) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for inside in ("config.json", "metadata.json", "m/models/model.json", "m/data/weights/w_config.json"):
            archive.writestr(inside, json.dumps(value))
    (tmp_path / name).write_bytes(kept.getvalue())
    assert isinstance(inspect(tmp_path / name), Finding)
