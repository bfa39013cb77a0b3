"""One suite over every processor: what it says of itself is what it does."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import load
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec
from mlserve.runtime.tensors import DTYPES, fits
from mlserve.runtime.warm_up import synthetic

IRIS = Path(__file__).parents[2] / "examples" / "iris" / "iris.onnx"
X, Y = load_iris(return_X_y=True)


@dataclass(frozen=True)
class Case:
    processor: str
    write: Callable[[Path], Path]
    pickled: bool = False
    broken: bool = True
    """A cut file is refused by the library."""


def _dumped(model: Any, name: str, dump: Callable[[Any, Path], Any]) -> Callable[[Path], Path]:
    def write(home: Path) -> Path:
        dump(model, home / name)
        return home / name

    return write


def _pickle(model: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(model))


def _own(home: Path) -> Path:
    (home / "double.py").write_text(
        "class Double:\n"
        "    def load(self, path, config): self.factor = config.get('factor', 2)\n"
        "    def metadata(self):\n"
        "        t = {'name': 'x', 'type': 'float', 'shape': [-1, 2]}\n"
        "        return {'inputs': [t], 'outputs': [{**t, 'name': 'y'}]}\n"
        "    def predict(self, inputs): return {'y': inputs['x'] * self.factor}\n"
    )
    return home


classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
named = LogisticRegression(max_iter=500).fit(X, np.array(["a", "b", "c"])[Y])
boosted = xgboost.XGBClassifier(n_estimators=4).fit(X, Y)
CASES = {
    "onnx": Case("onnx", lambda home: Path(shutil.copy(IRIS, home / "iris.onnx"))),
    "sklearn-pickle": Case("sklearn", _dumped(classifier, "m.pkl", _pickle), pickled=True),
    "sklearn-joblib": Case("sklearn", _dumped(named, "m.joblib", joblib.dump), pickled=True),
    "sklearn-skops": Case("sklearn", _dumped(classifier, "m.skops", skops.io.dump)),
    "sklearn-regressor": Case("sklearn", _dumped(LinearRegression().fit(X, X), "m.joblib", joblib.dump), pickled=True),
    "xgboost-json": Case("xgboost", _dumped(boosted, "m.json", lambda m, p: m.save_model(p))),
    "xgboost-ubj": Case("xgboost", _dumped(boosted, "m.ubj", lambda m, p: m.save_model(p))),
    "xgboost-binary": Case(
        "xgboost",
        _dumped(xgboost.XGBClassifier(n_estimators=3).fit(X, Y > 0), "m.json", lambda m, p: m.save_model(p)),
    ),
    "xgboost-regressor": Case(
        "xgboost", _dumped(xgboost.XGBRegressor(n_estimators=3).fit(X, X[:, 0]), "m.ubj", lambda m, p: m.save_model(p))
    ),
    "xgboost-pickle": Case("xgboost", _dumped(boosted, "m.pkl", _pickle), pickled=True),
    "python": Case("python", _own, broken=False),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def spec(case: Case, path: Path, **more: Any) -> Spec:
    place = {"processor_path": str(path)} if case.processor == "python" else {"model_path": str(path)}
    return Spec("s", case.processor, **place, **more)


@pytest.fixture
def loaded(case: Case, tmp_path: Path) -> Loaded:
    return load(spec(case, case.write(tmp_path)))


def inputs(loaded: Loaded, rows: int) -> dict[str, Any]:
    return {tensor.name: synthetic(tensor, rows) for tensor in loaded.metadata().inputs}


def test_it_says_what_it_takes_and_gives(loaded: Loaded) -> None:
    metadata = loaded.metadata()
    assert metadata.inputs
    assert metadata.outputs
    assert metadata.platform
    assert all(tensor.datatype in {*DTYPES, ""} for tensor in (*metadata.inputs, *metadata.outputs))


@pytest.mark.parametrize("rows", [1, 3])
def test_it_gives_what_it_says(loaded: Loaded, rows: int) -> None:
    outputs = loaded.predict(inputs(loaded, rows))
    declared = {tensor.name: tensor for tensor in loaded.metadata().outputs}
    assert outputs.keys() == declared.keys()
    for name, array in outputs.items():
        assert fits(array.shape, declared[name]), (name, array.shape)
        datatype = declared[name].datatype
        assert datatype in ("", "BYTES") or array.dtype == DTYPES[datatype]
        assert datatype != "BYTES" or array.dtype.kind in "OU"


def test_rows_that_may_share_a_call_get_the_same_answers_alone(loaded: Loaded) -> None:
    if not loaded.metadata().rows:
        return
    together = {name: array + 1 for name, array in inputs(loaded, 4).items()}
    outputs = loaded.predict(together)
    for row in range(4):
        alone = loaded.predict({name: array[row : row + 1] for name, array in together.items()})
        for name, array in alone.items():
            assert len(array) == 1
            beside = outputs[name][row : row + 1]
            assert (array == beside).all() if array.dtype.kind in "OU" else np.allclose(array, beside, atol=1e-6)


def test_threads_may_share_a_loaded_processor(loaded: Loaded) -> None:
    given = inputs(loaded, 2)
    first = {name: array.tolist() for name, array in loaded.predict(given).items()}
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: loaded.predict(given), range(40)):
            assert {name: array.tolist() for name, array in answer.items()} == first


def test_inputs_of_another_request_are_not_changed(loaded: Loaded) -> None:
    given = inputs(loaded, 2)
    before = {name: array.copy() for name, array in given.items()}
    loaded.predict(given)
    assert all((given[name] == before[name]).all() for name in given)


def test_the_only_model_file_of_a_directory_is_found(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert Signature(load(spec(case, path if path.is_dir() else path.parent)).metadata()).inputs


def test_a_cut_model_is_named_corrupt(case: Case, tmp_path: Path) -> None:
    if not case.broken:
        return
    path = case.write(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(StartFailure, match=path.name) as failure:
        load(spec(case, path))
    assert failure.value.cause == "corrupt-model"


def test_an_empty_directory_is_a_missing_model_or_a_bad_entry(case: Case, tmp_path: Path) -> None:
    with pytest.raises(StartFailure) as failure:
        load(spec(case, tmp_path))
    assert failure.value.cause == ("bad-entry" if case.processor == "python" else "missing-model")


def test_a_path_that_is_not_there_is_a_missing_model(case: Case, tmp_path: Path) -> None:
    with pytest.raises(StartFailure) as failure:
        load(spec(case, tmp_path / "nowhere.onnx"))
    assert failure.value.cause in ("missing-model", "bad-entry")


def test_pickles_are_refused_where_only_safe_formats_are_welcome(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    if not case.pickled:
        load(spec(case, path, require_safe=True))
        return
    with pytest.raises(StartFailure, match="require_safe") as failure:
        load(spec(case, path, require_safe=True))
    assert failure.value.cause == "unreadable-model"


def test_several_models_need_an_entry(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        shutil.copy(IRIS, tmp_path / name)
    with pytest.raises(StartFailure, match=r"a\.onnx, b\.onnx") as failure:
        load(Spec("s", "onnx", model_path=str(tmp_path)))
    assert failure.value.cause == "bad-entry"
    assert load(Spec("s", "onnx", model_path=str(tmp_path), model_entry="b.onnx")).metadata().inputs


def test_an_unknown_processor_lists_the_known_ones() -> None:
    with pytest.raises(StartFailure, match="onnx, pmml, python, pytorch, sklearn"):
        load(Spec("s", "caffe"))


def test_classes_that_are_words_are_labels(tmp_path: Path) -> None:
    probabilities = load(spec(CASES["sklearn-joblib"], CASES["sklearn-joblib"].write(tmp_path))).metadata().outputs[1]
    assert probabilities.labels == ("a", "b", "c")
    numbers = load(spec(CASES["sklearn-pickle"], CASES["sklearn-pickle"].write(tmp_path))).metadata().outputs[1]
    assert numbers.labels is None, "0, 1 and 2 say no more than their places"
