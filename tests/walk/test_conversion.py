"""A model is served as ONNX where it answers the same, and everybody is told who really serves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import IsolationForest, RandomForestClassifier

from mlserve.client import Client, Service
from mlserve.errors import StartFailed
from mlserve_cli.show import described

pytestmark = pytest.mark.timeout(300)

ROWS, KIND = load_iris(return_X_y=True)
FOREST = RandomForestClassifier(100, random_state=0)
STRANGE = IsolationForest(n_estimators=10, random_state=0)
"""A model whose converted form answers otherwise where a number is missing."""


def created(client: Client, folder: Path, model: Any, name: str, **fields: Any) -> Service:
    joblib.dump(model.fit(ROWS, KIND), folder / f"{name}.joblib")
    descriptor = {"name": name, "processor": "sklearn", "model_path": f"{name}.joblib", **fields}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**descriptor, "metadata": {"instance": 1, "cpu": 1, "memory": 600}}))
    return client.services.create(path)


def answers(service: Service) -> list[str]:
    return [str(one) for one in service.predict({"input": ROWS.tolist()})["label"]]


def test_a_forest_is_served_as_onnx_and_describe_says_so(client: Client, tmp_path: Path) -> None:
    service = created(client, tmp_path, FOREST, "forest").wait(timeout=60)
    data = service.to_dict()
    assert data["conversion"]["from"] == "sklearn"
    assert data["conversion"]["to"] == "onnx"
    assert data["conversion"]["parity"]["labels_equal"] is True
    assert "path" not in data["conversion"]
    assert not data["warnings"]
    shown = described(service, service.link())
    assert "sklearn as ONNX, by skl2onnx" in shown
    assert "a pickle can run code when it is read: serve only files that you trust" in shown
    assert [phase["phase"] for phase in data["phases"]] == ["fetch", "verify", "convert", "environment"]
    assert answers(service) == [str(one) for one in FOREST.predict(ROWS)]
    with service.predictor() as predictor:
        assert predictor.describe()["inputs"][0]["type"] == "double", "as scikit-learn takes them"


def test_what_was_converted_once_is_there_for_the_next(client: Client, tmp_path: Path) -> None:
    first = created(client, tmp_path, FOREST, "first").wait(timeout=60)
    joblib.dump(FOREST, tmp_path / "second.joblib")
    (tmp_path / "second.joblib").write_bytes((tmp_path / "first.joblib").read_bytes())
    text = (tmp_path / "first.json").read_text().replace('"name": "first"', '"name": "second"')
    (tmp_path / "again.json").write_text(text)
    second = client.services.create(tmp_path / "again.json").wait(timeout=60)
    assert second.to_dict()["conversion"]["reused"] is True
    took, again = (
        next(phase["seconds"] for phase in service.to_dict()["phases"] if phase["phase"] == "convert")
        for service in (first, second)
    )
    assert again < took
    second.restart().wait(timeout=60)
    assert answers(second) == [str(one) for one in FOREST.predict(ROWS)]


def test_never_means_the_models_own_library_without_a_warning(client: Client, tmp_path: Path) -> None:
    service = created(client, tmp_path, FOREST, "native", convert="never").wait(timeout=60)
    data = service.to_dict()
    assert data["conversion"]["to"] is None
    assert not data["warnings"]
    assert 'sklearn, as it is ("convert" is "never")' in described(service, service.link())
    assert answers(service) == [str(one) for one in FOREST.predict(ROWS)]


def test_a_model_that_would_answer_otherwise_is_served_by_its_own_library_and_that_is_said(
    client: Client, tmp_path: Path
) -> None:
    service = created(client, tmp_path, STRANGE, "strange").wait(timeout=60)
    data = service.to_dict()
    assert data["status"] == "Running"
    assert data["conversion"]["to"] is None
    assert "does not agree" in data["conversion"]["reason"]
    assert [warning["code"] for warning in data["warnings"]] == ["not-converted"]
    assert "served by its own library (sklearn), slower than ONNX" in described(service, service.link())
    came = service.predict({"input": ROWS.tolist()})["prediction"]
    assert (np.array(came) == STRANGE.predict(ROWS)).all()


def test_always_fails_the_start_where_the_answers_differ(client: Client, tmp_path: Path) -> None:
    service = created(client, tmp_path, STRANGE, "strict", convert="always")
    with pytest.raises(StartFailed, match="does not agree"):
        service.wait(timeout=60)
    failure = service.why()[0]
    assert (failure["phase"], failure["cause"]) == ("convert", "not-converted")
    assert '"convert" to "auto"' in failure["hint"]
