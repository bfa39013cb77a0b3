"""scikit-learn as ONNX: callers can not tell it from the original, or it stays as it is and the reason is told."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from tests.contract import pmml_writer as pmml
from tests.contract.conversion_kit import DIABETES, IRIS, KIND, PROGRESS, converted

from mlserve.conversion.parity import TOLERANCE, relative_error
from mlserve.errors import InvalidInput
from mlserve.hub.convertible import convertible
from mlserve.runtime.loading import load
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.spec import Spec

WINE, WINERY = load_wine(return_X_y=True)
DIGITS, DIGIT = load_digits(return_X_y=True)
WORDS = np.array(pmml.WORDS)[KIND]
GAPS = np.where(np.random.default_rng(0).random(IRIS.shape) < 0.1, np.nan, IRIS)


ESTIMATORS: dict[str, tuple[Any, Any, Any]] = {
    "logistic regression": (LogisticRegression(max_iter=500), IRIS, KIND),
    "classes that are words": (LogisticRegression(max_iter=500), IRIS, WORDS),
    "scaler and logistic regression": (make_pipeline(StandardScaler(), LogisticRegression()), WINE, WINERY),
    "imputer": (make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), GAPS, KIND),
    "one-hot": (
        make_pipeline(
            ColumnTransformer([("code", OneHotEncoder(handle_unknown="ignore"), [0]), ("rest", "passthrough", [1, 2])]),
            LogisticRegression(max_iter=500),
        ),
        np.column_stack([KIND % 2, IRIS[:, :2]]),
        KIND,
    ),
    "forest": (RandomForestClassifier(100, random_state=0), IRIS, WORDS),
    "forest of wines": (RandomForestClassifier(50, random_state=0), WINE, WINERY),
    "forest of digits behind a scaler": (
        make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)), DIGITS, DIGIT),
    "forest of numbers": (RandomForestRegressor(20, random_state=0), DIABETES, PROGRESS),
    "extra trees": (ExtraTreesClassifier(20, random_state=0), WINE, WINERY),
    "tree": (DecisionTreeClassifier(random_state=0), IRIS, KIND),
    "boosting": (GradientBoostingClassifier(n_estimators=10, random_state=0), WINE, WINERY),
    "boosting of numbers": (GradientBoostingRegressor(n_estimators=20, random_state=0), DIABETES, PROGRESS),
    "boosting over histograms": (HistGradientBoostingClassifier(max_iter=10), WINE, WINERY),
    "boosting over histograms of two kinds": (HistGradientBoostingClassifier(max_iter=10), GAPS, KIND > 0),
    "boosting over histograms of numbers": (HistGradientBoostingRegressor(max_iter=20), DIABETES, PROGRESS),
    "boosting over histograms of counts": (
        HistGradientBoostingRegressor(loss="poisson", max_iter=20), DIABETES, PROGRESS),
    "support vectors in a plane": (LinearSVC(), WINE / 100, WINERY),
    "support vectors": (make_pipeline(StandardScaler(), SVC()), IRIS, KIND),
    "support vector regression": (make_pipeline(StandardScaler(), SVR()), DIABETES, PROGRESS),
    "perceptron": (
        make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=50, random_state=0)), DIGITS, DIGIT),
    "naive Bayes": (GaussianNB(), IRIS, KIND),
    "ridge": (Ridge(), DIABETES, PROGRESS),
    "two numbers": (LinearRegression(), DIABETES, np.stack([PROGRESS, PROGRESS * 2], axis=1)),
    "clusters": (KMeans(3, n_init=2, random_state=0), IRIS, KIND),
    "principal components": (PCA(2), IRIS, None),
}  # fmt: skip


def fitted(name: str) -> Any:
    estimator, rows, answers = ESTIMATORS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations are enough here
        return estimator.fit(rows, answers)


def both(processor: str, path: Path, target: Path) -> tuple[Loaded, Loaded]:
    native = load(Spec(service="s", processor=processor, model_path=str(path)))
    return native, load(Spec(service="s", processor="onnx", model_path=str(target)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_scikit_learn_model_becomes_onnx_that_callers_can_not_tell_from_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(fitted(name), path)
    record, target = converted("sklearn", path)
    assert record["to"] == "onnx", record
    assert record["parity"]["labels_equal"]
    assert record["parity"]["max_relative_error"] <= TOLERANCE
    assert record["parity"]["rows"] > 200
    native, onnx = both("sklearn", path, target)
    assert onnx.metadata().inputs == native.metadata().inputs
    assert onnx.metadata().outputs == native.metadata().outputs
    assert onnx.metadata().rows == native.metadata().rows
    rows = {"input": np.asarray(ESTIMATORS[name][1], np.float64)}
    wanted, came = native.predict(rows), onnx.predict(rows)
    assert wanted.keys() == came.keys()
    for key, values in wanted.items():
        if values.dtype.kind == "f":
            assert relative_error(values, came[key]) <= TOLERANCE
        else:
            assert (values.astype(str) == came[key].astype(str)).all()


def test_several_labels_at_once_are_the_same_ones(tmp_path: Path) -> None:
    model = MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(IRIS, np.stack([KIND, KIND > 0], axis=1))
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    record, target = converted("sklearn", path)
    assert record["to"] == "onnx", record
    _native, onnx = both("sklearn", path, target)
    assert onnx.metadata().outputs[0].shape == (-1, 2)
    assert (onnx.predict({"input": IRIS})["label"] == model.predict(IRIS)).all()


def test_a_forest_votes_as_scikit_learn_does_where_two_classes_have_as_many_trees(tmp_path: Path) -> None:
    forest = RandomForestClassifier(40, random_state=3, max_depth=None).fit(IRIS, KIND)
    rows = np.random.default_rng(0).uniform(IRIS.min(0), IRIS.max(0), (20_000, 4))
    shares = np.sort(forest.predict_proba(rows), axis=1)
    ties = rows[shares[:, -1] == shares[:, -2]]
    assert len(ties) > 20, "the test needs some"
    path = tmp_path / "model.joblib"
    joblib.dump(forest, path)
    record, target = converted("sklearn", path)
    assert record["to"] == "onnx", record
    _native, onnx = both("sklearn", path, target)
    assert (onnx.predict({"input": ties})["label"] == forest.predict(ties)).all()


def test_what_the_original_refuses_is_refused_and_not_answered_with_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(fitted("logistic regression"), path)
    _record, target = converted("sklearn", path)
    native, onnx = both("sklearn", path, target)
    rows = {"input": np.array([[1.0, np.nan, 1.0, 1.0]])}
    with pytest.raises(ValueError, match="NaN"):
        native.predict(rows)
    with pytest.raises(InvalidInput, match=r'"input" holds a missing or infinite number'):
        onnx.predict(rows)
    assert (
        onnx.predict({"input": np.full((1, 4), 1e38)})["label"]
        == native.predict({"input": np.full((1, 4), 1e38)})["label"]
    )


@pytest.mark.parametrize("estimator", ["tree", "logistic regression", "forest", "boosting"])
def test_numbers_beyond_single_precision_are_refused_in_words(estimator: str, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(fitted(estimator), path)
    record, target = converted("sklearn", path)
    assert record["to"] == "onnx", record
    _native, onnx = both("sklearn", path, target)
    for number in (np.inf, -np.inf, 3.5e38, -1e39):
        for count in (1, 20):
            rows = {"input": np.repeat(ESTIMATORS[estimator][1][:1], count, axis=0)}
            rows["input"][:, 1] = number
            words = "infinite number" if np.isinf(number) else "a number beyond ±3.4e+38"
            with pytest.raises(InvalidInput, match=f'"input" holds .*{re.escape(words)}, and this model takes none'):
                onnx.predict(rows)


def test_boosting_over_histograms_takes_infinite_and_missing_numbers_as_the_original_does(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(HistGradientBoostingClassifier(max_iter=5).fit(IRIS, KIND), path)
    record, target = converted("sklearn", path)
    assert record["to"] == "onnx", record
    native, onnx = both("sklearn", path, target)
    rows = {"input": np.array([[1.0, np.nan, np.nan, 4.0], [1e300, 1.0, 1.0, 4.0]])}
    assert (onnx.predict(rows)["label"] == native.predict(rows)["label"]).all()


def test_a_model_that_would_answer_otherwise_stays_as_it_is_and_the_difference_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(IsolationForest(n_estimators=10, random_state=0).fit(IRIS), path)
    record, _target = converted("sklearn", path)
    assert record["to"] is None
    assert "does not agree" in record["reason"]
    assert '"prediction" differs in' in record["reason"]


def test_a_damaged_file_ends_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(fitted("tree"), path)
    path.write_bytes(path.read_bytes()[:200])
    record, _target = converted("sklearn", path)
    assert record["to"] is None
    assert "is not a whole pickle" in record["reason"]


def test_a_pickle_is_not_even_read_where_only_safe_files_may_be(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "model.pkl"
    joblib.dump(Trap(), path)
    record, _target = converted("sklearn", path, require_safe=True)
    assert record["to"] is None
    assert "require_safe" in record["reason"]
    assert not (tmp_path / "sprung").exists()
    safe = tmp_path / "model.skops"
    skops.io.dump(fitted("ridge"), safe)
    assert converted("sklearn", safe, require_safe=True)[0]["to"] == "onnx"


def test_the_users_own_requests_are_compared_first(tmp_path: Path) -> None:
    path, sample = tmp_path / "model.joblib", tmp_path / "warm_up.txt"
    joblib.dump(fitted("logistic regression"), path)
    sample.write_text('{"input": [[5.1, 3.5, 1.4, 0.2]]}\n')
    record, _target = converted("sklearn", path, sample=str(sample))
    assert record["parity"]["inputs"][0] == "sample"


def test_every_format_tells_what_it_needs_without_being_imported() -> None:
    assert set(convertible()) == {"keras", "pmml", "sklearn", "tensorflow"}
    assert all(form.requirements and form.version for form in convertible().values())
