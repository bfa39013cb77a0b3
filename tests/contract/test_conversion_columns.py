"""scikit-learn over columns of numbers, words and texts as ONNX: each is an input by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests import heavy
from tests.contract.conversion_kit import elsewhere

from mlserve.hub.convertible import convertible
from mlserve.runtime.loading import load
from mlserve.runtime.nested import from_json
from mlserve.runtime.spec import Spec

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
