"""POST /explain, the same for every model that can be explained: values add up to the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import heavy
from tests.unit.runtime_kit import IRIS, ROW, Running, failed, serving

NEEDS = ("shap>=0.46", "onnxruntime>=1.17", "scikit-learn>=1.0", "joblib>=1.1", "skops>=0.8", "xgboost>=2")
SCRIPT = """
import joblib, numpy as np, xgboost
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
X, y = load_iris(return_X_y=True)
joblib.dump(RandomForestClassifier(10, random_state=0).fit(X, y), "forest.joblib")
joblib.dump(LinearRegression().fit(X[:, :3], X[:, 3]), "line.joblib")
xgboost.XGBClassifier(n_estimators=5).fit(X[:100], y[:100]).save_model("boosted.json")
xgboost.XGBRegressor(n_estimators=5).fit(X[:, :3], X[:, 3]).save_model("regression.json")
names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
for width in (3, 4):
    np.savetxt(f"rows{width}.csv", X[::5, :width], delimiter=",", header=",".join(names[:width]), comments="")
"""


@dataclass(frozen=True)
class Case:
    processor: str
    model: str
    rows: str
    method: str
    asked: str = "auto"


CASES = {
    "a forest": Case("sklearn", "forest.joblib", "rows4.csv", "tree"),
    "a forest as any model": Case("sklearn", "forest.joblib", "rows4.csv", "permutation", "permutation"),
    "a line": Case("sklearn", "line.joblib", "rows3.csv", "linear"),
    "boosted classes": Case("xgboost", "boosted.json", "rows4.csv", "tree"),
    "boosted regression": Case("xgboost", "regression.json", "rows3.csv", "tree"),
    "onnx": Case("onnx", "", "rows4.csv", "exact"),
    "onnx by the kernel": Case("onnx", "", "rows4.csv", "kernel", "kernel"),
}


@pytest.fixture(scope="module")
def python() -> Path:
    return heavy.python_with(*NEEDS)


@pytest.fixture(scope="module")
def models(python: Path) -> Path:
    return heavy.make_model(python, SCRIPT)


@pytest.fixture(scope="module", params=CASES)
def served(
    request: pytest.FixtureRequest, python: Path, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Case, Running]]:
    case = CASES[request.param]
    wished = {"method": case.asked, "background": str(models / case.rows), "samples": 20}
    path = str(models / case.model) if case.model else str(IRIS)
    home = tmp_path_factory.mktemp("explain")
    with serving(home, python=python, processor=case.processor, model_path=path, explain=wished) as instance:
        yield case, instance


def rows_for(instance: Running) -> dict[str, Any]:
    """Two flowers, however the model wants them."""
    inputs = instance.get("/describe").json["inputs"]
    flowers = [[5.1, 3.5, 1.4, 0.2], [6.3, 2.5, 5.0, 1.9]]
    if len(inputs) > 1:
        return {tensor["name"]: [[row[at]] for row in flowers] for at, tensor in enumerate(inputs)}
    return {inputs[0]["name"]: [row[: inputs[0]["shape"][1]] for row in flowers]}


def test_values_and_base_add_up_to_what_the_model_answers(served: tuple[Case, Running]) -> None:
    case, instance = served
    sent = rows_for(instance)
    told = instance.post("/explain", sent)
    assert told.status == 200, told.body
    found, answered = told.json, instance.post("/eval", sent).json
    assert found["method"] == case.method
    assert found["explanations"].keys() == sent.keys()
    wanted = np.array(answered[found["output"]]).reshape(2, -1)
    several = len(sent) > 1
    values = (
        np.stack(list(found["explanations"].values()), axis=1)
        if several
        else np.array(next(iter(found["explanations"].values())))
    )
    total = (values.sum(axis=1) + np.array(found["base_values"])).reshape(2, -1)
    assert np.allclose(total, wanted, atol=2e-3)
    assert np.abs(values).max() > 0.01
    assert np.allclose(np.array(found["outputs"][found["output"]]).reshape(2, -1), wanted, atol=1e-6)


def test_the_same_body_is_explained_the_same_twice(served: tuple[Case, Running]) -> None:
    case, instance = served
    sent = rows_for(instance)
    first, second = (instance.post("/explain", sent).json["explanations"] for _ in range(2))
    for name, values in first.items():
        assert np.allclose(values, second[name], atol=0.05 if case.method == "permutation" else 1e-8)


def test_the_service_s_document_has_the_path_and_its_example_works(served: tuple[Case, Running]) -> None:
    _, instance = served
    paths = instance.get("/openapi.json").json["paths"]
    asked = paths["/explain"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert "explanations" in instance.post("/explain", asked).json
    assert "/drift" not in paths


def test_a_wrong_body_is_refused_as_by_eval(served: tuple[Case, Running]) -> None:
    _, instance = served
    wrong = instance.post("/explain", {"nothing": 1})
    assert (wrong.status, "nothing" in wrong.json["error"]) == (400, True)


def test_predictions_do_not_wait_for_explanations(python: Path, models: Path, tmp_path: Path) -> None:
    wished = {"background": str(models / "rows4.csv"), "samples": 30}
    more = {"explain": wished, "access_log": True, "capture": {"percent": 100, "to": str(tmp_path / "captures")}}
    with serving(tmp_path, python=python, model_path=str(IRIS), **more) as instance:
        many = {name: [[value]] * 60 for name, value in ROW.items()}
        explaining = threading.Thread(target=lambda: instance.post("/explain", many))
        explaining.start()
        slowest = 0.0
        count = 0
        while explaining.is_alive():
            begun = time.perf_counter()
            assert instance.post("/eval", ROW).status == 200
            slowest, count = max(slowest, time.perf_counter() - begun), count + 1
        explaining.join()
        assert count > 10
        assert slowest < 0.5
        assert "watching-failed" not in instance.log
        assert b'mlserve_explain_seconds_count{service="iris",version="3"} 1\n' in instance.get("/metrics").body


def test_what_can_not_be_explained_fails_the_start_and_says_why(python: Path, models: Path, tmp_path: Path) -> None:
    wished = {"method": "tree", "background": str(models / "rows4.csv")}
    failure = failed(tmp_path / "one", python=python, model_path=str(IRIS), explain=wished).failure
    assert failure["cause"] == "not-explainable"
    assert '"convert": "never"' in failure["hint"]
    other = failed(
        tmp_path / "two", python=python, model_path=str(IRIS), explain={"background": str(models / "rows3.csv")}
    )
    assert "petal_width" in other.failure["reason"]


def test_without_the_library_the_start_says_what_is_missing(tmp_path: Path) -> None:
    failure = failed(tmp_path, model_path=str(IRIS), explain={}).failure
    assert (failure["cause"], "shap" in failure["reason"]) == ("missing-library", True)
