"""What a scikit-learn estimator takes is seen in the estimator: texts, words that may be missing, columns by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import LinearSVC

from mlserve.conversion.job import Job, convert
from mlserve.inspection import inspect
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.estimators import chooses_by_name, text_columns
from mlserve.runtime.loading import load
from mlserve.runtime.nested import from_json
from mlserve.runtime.processors.base import Loaded, Tensor
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec
from mlserve.runtime.tensors import BadTensor

TEXTS = ["a great movie", "awful film, do not watch", "I loved it", "Hated every minute", "great fun", "boring"] * 4
LIKED = [1, 0, 1, 0, 1, 0] * 4


def _lower(texts: Any) -> Any:
    return np.array([text.lower() for text in texts], dtype=object)


OF_TEXTS: dict[str, Any] = {
    "tf-idf": make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "counts": make_pipeline(CountVectorizer(), MultinomialNB()),
    "hashes": make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()),
    "a union": make_pipeline(
        FeatureUnion([("words", TfidfVectorizer()), ("letters", TfidfVectorizer(analyzer="char_wb"))]),
        LogisticRegression(),
    ),
    "a search": GridSearchCV(make_pipeline(TfidfVectorizer(), LogisticRegression()), {}, cv=2),
    "behind a function": make_pipeline(FunctionTransformer(_lower), TfidfVectorizer(), LogisticRegression()),
    "clusters": make_pipeline(TfidfVectorizer(), KMeans(2, n_init=1, random_state=0)),
    "numbers": make_pipeline(TfidfVectorizer(), Ridge()),
    "support vectors": make_pipeline(TfidfVectorizer(), LinearSVC()),
    "a bare vectorizer": TfidfVectorizer(),
}


def saved(model: Any, folder: Path) -> Path:
    joblib.dump(model, folder / "model.joblib")
    return folder / "model.joblib"


def loaded(model: Any, folder: Path, **config: Any) -> Loaded:
    return load(Spec("s", "sklearn", model_path=str(saved(model, folder)), model_config=config))


def ask(processor: Loaded, values: Any) -> Any:
    call = Eval(Model("s", 1, Signature(processor.metadata()))).call(values)
    return json.loads(call.encode(processor.predict(call.inputs))[0])


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_pipeline_of_texts_takes_one_or_many_strings(name: str, tmp_path: Path) -> None:
    model = OF_TEXTS[name].fit(TEXTS, LIKED)
    processor = loaded(model, tmp_path)
    assert processor.metadata().inputs == (Tensor("input", "BYTES", (-1,)),)
    many, one = ask(processor, {"input": TEXTS[:2]}), ask(processor, {"input": TEXTS[0]})
    answer = processor.metadata().outputs[0].name
    wanted = model.predict(TEXTS[:2]) if hasattr(model, "predict") else model.transform(TEXTS[:2]).toarray()
    np.testing.assert_allclose(many[answer], wanted)
    np.testing.assert_allclose(np.ravel(one[answer]), np.ravel(wanted[0]))


def test_texts_as_bytes_are_the_same_texts(tmp_path: Path) -> None:
    processor = loaded(OF_TEXTS["tf-idf"].fit(TEXTS, LIKED), tmp_path)
    plain, coded = (np.array(texts, dtype=object) for texts in (["naïve fun"], ["naïve fun".encode()]))
    wanted, came = processor.predict({"input": plain}), processor.predict({"input": coded})
    assert (wanted["probabilities"] == came["probabilities"]).all()


@pytest.mark.parametrize("name", ["tf-idf", "counts", "a search", "clusters", "numbers", "support vectors"])
def test_a_pipeline_of_texts_becomes_onnx_that_finds_the_same_words(name: str, tmp_path: Path) -> None:
    path = saved(OF_TEXTS[name].fit(TEXTS, LIKED), tmp_path)
    record = convert(Job("sklearn", str(path), str(tmp_path / "model.onnx")))
    assert record["to"] == "onnx", record
    onnx = load(Spec("s", "onnx", model_path=str(tmp_path / "model.onnx")))
    assert onnx.metadata().inputs == (Tensor("input", "BYTES", (-1,)),)
    assert ask(onnx, {"input": TEXTS[0]}).keys() == {tensor.name for tensor in onnx.metadata().outputs}


@pytest.mark.parametrize("name", ["hashes", "a union"])
def test_what_has_no_onnx_says_so_in_one_short_line(name: str, tmp_path: Path) -> None:
    path = saved(OF_TEXTS[name].fit(TEXTS, LIKED), tmp_path)
    record = convert(Job("sklearn", str(path), str(tmp_path / "model.onnx")))
    assert record["to"] is None
    assert "\n" not in record["reason"]
    assert len(record["reason"]) <= 200


def test_the_owners_words_for_the_input_hold(tmp_path: Path) -> None:
    model = OF_TEXTS["tf-idf"].fit(TEXTS, LIKED)
    processor = loaded(model, tmp_path, inputs=[{"name": "review", "type": "string", "shape": [-1, 1]}])
    assert processor.metadata().inputs == (Tensor("review", "BYTES", (-1, 1)),)
    assert ask(processor, {"review": TEXTS[:2]})["label"] == [1, 0]
    table = LogisticRegression().fit(np.arange(12).reshape(6, 2), [0, 0, 0, 1, 1, 1])
    apart = loaded(table, tmp_path, inputs=[{"name": "age", "type": "long"}, {"name": "fare", "type": "double"}])
    assert [(one.name, one.datatype) for one in apart.metadata().inputs] == [("age", "INT64"), ("fare", "FP64")]
    assert ask(apart, {"age": 11, "fare": 12.0})["label"] == 1
    whole = loaded(table, tmp_path, inputs=[{"name": "x", "type": "float", "shape": [-1, 2]}])
    assert whole.metadata().inputs == (Tensor("x", "FP32", (-1, 2)),)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"name": "a"}, "is no list"),
        ([{"type": "float"}], "without a name"),
        ([{"name": "a", "type": "foat"}], "'FOAT'|'foat'"),
        ([{"name": "a", "shape": "2"}], 'no shape for "a"'),
        ([{"name": "a", "type": "float", "shape": [-1, 3]}], r"the model takes a table, \[-1, 2\]"),
        ([{"name": "a"}, {"name": "a"}], "twice"),
        ([{"name": "a"}, {"name": "b"}, {"name": "c"}], "takes 2 in all"),
    ],
)
def test_inputs_that_the_model_does_not_take_are_refused(inputs: Any, says: str, tmp_path: Path) -> None:
    model = LogisticRegression().fit(np.arange(12).reshape(6, 2), [0, 0, 0, 1, 1, 1])
    with pytest.raises(StartFailure, match=says):
        loaded(model, tmp_path, inputs=inputs)


def test_columns_of_words_and_what_stands_for_a_missing_one_are_seen() -> None:
    rows = np.array([[1.0, "S", "x"], [2.0, "C", "y"], [3.0, np.nan, "x"]], dtype=object)
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer(
        [("port", words, [1]), ("deck", OneHotEncoder(), slice(2, 3)), ("n", "passthrough", [0])]
    )
    found = text_columns(columns.fit(rows), ["age", "port", "deck"])
    assert found.keys() == {"port", "deck"}
    assert np.isnan(found["port"])
    assert found["deck"] == ""
    assert not chooses_by_name(columns)


def test_null_is_a_missing_word_only_where_the_model_knows_one() -> None:
    words = Tensor("port", "BYTES", (-1, 1), missing=True)
    assert from_json([["S"], [None]], words).tolist() == [["S"], [""]]
    assert from_json(None, words).tolist() == ""
    with pytest.raises(BadTensor, match="null"):
        from_json([["S"], [None]], Tensor("port", "BYTES", (-1, 1)))


def test_a_model_that_was_fitted_on_a_frame_asks_for_pandas(tmp_path: Path) -> None:
    columns = ColumnTransformer([("one", "passthrough", [0])]).fit(np.ones((2, 2)))
    assert inspect(saved(columns, tmp_path)).requirements == ()
    columns.feature_names_in_ = np.array(["age", "fare"], dtype=object)
    assert inspect(saved(columns, tmp_path)).requirements == ("pandas>=1.3",)
    numbers = LogisticRegression().fit(np.arange(4).reshape(2, 2), [0, 1])
    numbers.feature_names_in_ = np.array(["age", "fare"], dtype=object)
    assert inspect(saved(numbers, tmp_path)).requirements == (), "numbers need no frame"


def test_without_pandas_a_model_that_names_its_columns_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not there, where it is
    columns = ColumnTransformer([("one", "passthrough", ["age"])])
    columns.transformers_, columns.feature_names_in_ = columns.transformers, np.array(["age"], dtype=object)
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        loaded(columns, tmp_path)
