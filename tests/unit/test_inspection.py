"""Models are looked into without being run: what they say, what is wrong with them, and no input that breaks it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
import sklearn
import skops
import skops.io
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlserve.inspection import Finding, inspect

X = np.random.default_rng(0).normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def forest() -> Any:
    return make_pipeline(StandardScaler(), RandomForestClassifier(5)).fit(X, Y)


@pytest.fixture(scope="module")
def booster() -> Any:
    return xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y)


def an_onnx_model(external: str = "") -> onnx.ModelProto:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, 2], np.zeros(8, np.float32).tobytes(), raw=True)
    if external:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=external)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights],
    )
    return helper.make_model(
        graph, producer_name="us", producer_version="3", opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


def look(path: Path, data: bytes) -> Finding:
    path.write_bytes(data)
    return inspect(path)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_tells_its_sklearn_version_in_every_protocol(protocol: int, forest: Any, tmp_path: Path) -> None:
    found = look(tmp_path / "m.pkl", pickle.dumps(forest, protocol=protocol))
    assert (found.format, dict(found.versions), found.problems, found.dangerous) == (
        "sklearn",
        {"scikit-learn": sklearn.__version__},
        (),
        (),
    )
    assert found.facts["class"] == "sklearn.pipeline.Pipeline"
    assert "sklearn.ensemble._forest" in found.modules


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
def test_a_joblib_file_is_followed_past_its_arrays(compress: Any, forest: Any, tmp_path: Path) -> None:
    joblib.dump(forest, tmp_path / "m.joblib", compress=compress)
    found = inspect(tmp_path / "m.joblib")
    assert (found.format, dict(found.versions), found.problems) == (
        "sklearn",
        {"scikit-learn": sklearn.__version__},
        (),
    )


@pytest.mark.parametrize(
    "values", [["a", "b"], np.array(["a", None], dtype=object), np.array([1.5, 2.5], dtype="f2")], ids=str
)
def test_arrays_of_texts_and_objects_in_joblib_files_are_followed(values: Any, tmp_path: Path) -> None:
    encoder = OneHotEncoder().fit(np.asarray(values).reshape(-1, 1))
    joblib.dump([encoder, np.zeros(3, dtype=[("a", "f8"), ("b", "i4")])], tmp_path / "m.joblib")
    found = inspect(tmp_path / "m.joblib")
    assert (dict(found.versions), found.problems) == ({"scikit-learn": sklearn.__version__}, ())


def test_a_skops_file_tells_its_versions(forest: Any, tmp_path: Path) -> None:
    skops.io.dump(forest, tmp_path / "m.skops")
    found = inspect(tmp_path / "m.skops")
    assert (found.format, found.problems, found.dangerous) == ("sklearn", (), ())
    assert found.versions == {"scikit-learn": sklearn.__version__}
    assert found.facts["saved_with"] == f"skops {skops.__version__}"
    assert inspect(tmp_path / "m.skops").facts["class"] == "sklearn.pipeline.Pipeline"


class _Evil:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("evil", "name"),
    [
        (_Evil(os.system, "touch ran"), "posix.system"),
        (_Evil(eval, "1"), "builtins.eval"),
        (_Evil(getattr, 1, "real"), "builtins.getattr"),
    ],
)
def test_what_would_run_is_named_and_not_run(
    evil: _Evil, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = look(tmp_path / "m.pkl", pickle.dumps({"model": evil}))
    assert found.dangerous == (name,)
    assert f"a pickle can run code when it is read, and this one asks for {name}" in found.summary()
    assert not (tmp_path / "ran").exists()


def test_names_that_are_hidden_or_reached_through_others_are_named(tmp_path: Path) -> None:
    through = b"\x80\x04\x8c\x07sklearn\x8c\x09os.system\x93."
    assert look(tmp_path / "a.pkl", through).dangerous == ("sklearn.os.system",)
    computed = b"\x80\x04K\x01K\x02\x93."
    assert look(tmp_path / "b.pkl", computed).dangerous == ("a name that it computes",)


def test_a_class_of_the_script_that_saved_it_is_named(tmp_path: Path) -> None:
    found = look(tmp_path / "m.pkl", b"\x80\x02c__main__\nMine\n.")
    assert "Mine" in found.notes[0]


def test_an_xgboost_model_tells_version_features_and_objective(booster: Any, tmp_path: Path) -> None:
    for name in ("m.json", "m.ubj"):
        booster.save_model(tmp_path / name)
        found = inspect(tmp_path / name)
        assert (found.format, dict(found.versions), found.problems) == ("xgboost", {"xgboost": xgboost.__version__}, ())
        assert (found.facts["num_feature"], found.facts["objective"]) == (4, "binary:logistic")
    pickled = look(tmp_path / "m.pkl", pickle.dumps(booster))
    assert (pickled.framework, pickled.versions["xgboost"]) == ("xgboost", xgboost.__version__)


def test_xgboosts_old_binary_format_is_named(tmp_path: Path) -> None:
    old = struct.pack("<fIiii", 0.5, 4, 0, 0, 0) + bytes(200)
    for data in (old, b"binf" + old):
        found = look(tmp_path / "m.model", data)
        assert found.format == "xgboost"
        assert "old binary format" in found.problems[0]


def test_json_that_is_no_model_is_not_called_one(tmp_path: Path) -> None:
    assert look(tmp_path / "a.json", b'{"a": 1}').format is None
    assert look(tmp_path / "a.json", b'{"a": 1}').problems == ()
    assert "line 1" in look(tmp_path / "a.json", b'{"a": ').problems[0]


def test_an_onnx_model_tells_opset_inputs_and_outputs(tmp_path: Path) -> None:
    found = look(tmp_path / "m.onnx", an_onnx_model().SerializeToString())
    assert (found.format, found.opset, found.problems) == ("onnx", 17, ())
    assert found.inputs == ({"name": "x", "type": "float32", "shape": [-1, 4]},)
    assert found.outputs == ({"name": "y", "type": "float32", "shape": [-1, 2]},)
    assert found.facts == {"ir_version": 8, "producer": "us 3", "nodes": 1}
    assert "opset 17" in found.summary()


def test_onnx_weights_in_another_file_have_to_be_there_and_beside_it(tmp_path: Path) -> None:
    data = an_onnx_model("weights.bin").SerializeToString()
    assert "weights.bin" in look(tmp_path / "m.onnx", data).problems[0]
    (tmp_path / "weights.bin").write_bytes(bytes(32))
    assert look(tmp_path / "m.onnx", data).problems == ()
    assert "outside" in look(tmp_path / "m.onnx", an_onnx_model("../weights.bin").SerializeToString()).problems[0]


def test_a_file_that_is_cut_off_says_so(forest: Any, booster: Any, tmp_path: Path) -> None:
    whole = {"m.onnx": an_onnx_model().SerializeToString(), "m.pkl": pickle.dumps(forest)}
    for name in ("m.joblib", "c.joblib", "m.skops", "m.ubj", "m.json"):
        path = tmp_path / name
        if name.endswith("joblib"):
            joblib.dump(forest, path, compress=3 if name[0] == "c" else 0)
        elif name == "m.skops":
            skops.io.dump(forest, path)
        else:
            booster.save_model(path)
        whole[name] = path.read_bytes()
    for name, data in whole.items():
        for length in (len(data) // 3, len(data) - 5):
            assert look(tmp_path / name, data[:length]).problems, (name, length)
            assert not look(tmp_path / name, data).problems


@pytest.mark.parametrize("name", ["m.onnx", "m.pkl", "m.joblib", "m.json", "m.skops", "m", "m.ubj"])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><title>Sign in</title>", "HTML page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "storage server"),
    ],
)
def test_what_downloads_leave_behind_is_named(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    assert says in look(tmp_path / name, data).problems[0]


def test_what_is_not_there_or_no_file_is_a_problem_and_not_an_exception(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pkl")
    for path in (tmp_path / "none.onnx", tmp_path / "pipe.pkl", tmp_path / "a\0b"):
        assert inspect(path).problems


def test_a_folder_is_looked_through_for_its_one_model(forest: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert "empty" in inspect(tmp_path).problems[0]
    (tmp_path / "README.md").write_text("hello")
    assert "README.md" in inspect(tmp_path).notes[0]
    (tmp_path / "sub" / "forest.pkl").write_bytes(pickle.dumps(forest))
    found = inspect(tmp_path)
    assert (found.format, found.file) == ("sklearn", "sub/forest.pkl")
    (tmp_path / "other.onnx").write_bytes(an_onnx_model().SerializeToString())
    assert "other.onnx" in inspect(tmp_path).notes[0]
    (tmp_path / "other.onnx").rename(tmp_path / "model.onnx")
    assert inspect(tmp_path).format == "onnx"


def test_compression_bombs_are_not_unpacked_into_memory(tmp_path: Path) -> None:
    huge = b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + bytes(1 << 20)
    for packed in (zlib.compress(huge), gzip.compress(huge), bz2.compress(huge), lzma.compress(huge)):
        assert look(tmp_path / "m.joblib", packed).problems
    with zipfile.ZipFile(tmp_path / "m.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"[" * 1_000_000)
    assert inspect(tmp_path / "m.skops").problems


def samples() -> dict[str, bytes]:
    model = RandomForestClassifier(2, max_depth=2).fit(X, Y)
    buffers = {name: io.BytesIO() for name in ("m.joblib", "z.joblib")}
    joblib.dump(model, buffers["m.joblib"])
    joblib.dump(model, buffers["z.joblib"], compress=3)
    made = {name: buffer.getvalue() for name, buffer in buffers.items()}
    booster = xgboost.XGBClassifier(n_estimators=1, max_depth=1, n_jobs=1).fit(X, Y).get_booster()
    made |= {"m.ubj": bytes(booster.save_raw("ubj")), "m.json": bytes(booster.save_raw("json"))}
    return made | {
        "m.pkl": pickle.dumps(model),
        "m.onnx": an_onnx_model().SerializeToString(),
        "m.skops": skops.io.dumps(model),
    }


SAMPLES = samples()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6),
    st.booleans(),
)
def test_no_mutation_of_a_model_breaks_the_look_into_it(
    tmp_path: Path, name: str, changes: list[tuple[int, bytes]], insert: bool
) -> None:
    data = bytearray(SAMPLES[name])
    for at, new in changes:
        at %= len(data)
        data[at : at if insert else at + len(new)] = new
    assert isinstance(look(tmp_path / name, bytes(data)), Finding)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*sorted(SAMPLES), "m", "m.model", "m.gz"]),
    st.sampled_from([b"", b"\x80\x04", b"{L", b"\x08\x08", b"x\x9c"]),
    st.binary(max_size=200),
)
def test_no_bytes_at_all_break_the_look_into_them(tmp_path: Path, name: str, start: bytes, data: bytes) -> None:
    assert isinstance(look(tmp_path / name, start + data), Finding)
