"""What a converted model is asked before it is trusted: rows it has seen, ties, numbers without digits left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from mlserve.conversion.base import CannotConvert, brief
from mlserve.conversion.columns import column_hints
from mlserve.conversion.drawing import draw
from mlserve.conversion.parity import compare
from mlserve.conversion.pmml.document import read
from mlserve.conversion.remembered import divides_missing, known_rows
from mlserve.runtime.processors.base import Metadata, Tensor

X = np.round(np.random.default_rng(0).normal(size=(60, 2)), 1)
Y = (X[:, 0] > 0).astype(int)
TABLE = Metadata(inputs=(Tensor("input", "FP64", (-1, 2)),), rows=True)


def test_the_rows_of_neighbours_are_asked_as_they_came() -> None:
    neighbours = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, Y)
    rows = known_rows(neighbours, ["input"])
    assert np.array_equal(rows["input"], X)
    kinds = {batch.kind for batch in draw(TABLE, {}, known=rows)}
    assert {"known rows", "between known rows", "zeros"} <= kinds


def test_a_model_that_keeps_no_rows_is_asked_none() -> None:
    assert not known_rows(LogisticRegression().fit(X, Y), ["input"])


def test_the_edges_of_ranges_are_asked() -> None:
    pipeline = make_pipeline(KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), LogisticRegression())
    told = column_hints(pipeline.fit(X, Y), ["input"])["input"]
    assert set(told[0].values) == set(pipeline[0].bin_edges_[0])


def test_a_split_between_missing_values_and_others_is_no_number_to_ask() -> None:
    holed = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
    forest = RandomForestClassifier(20, random_state=0).fit(holed, np.isnan(holed[:, 0]))
    assert divides_missing(make_pipeline(forest))
    assert not divides_missing(RandomForestClassifier(5, random_state=0).fit(X, Y))
    asked = list(draw(TABLE, column_hints(forest, ["input"]), huge=True))
    assert asked[-1].kind == "huge"
    assert not any(np.isinf(batch.inputs["input"]).any() for batch in asked)


def test_a_document_type_does_not_hide_in_another_encoding(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE P [<!ENTITY x "y">]><PMML version="4.4">&x;</PMML>'
    (tmp_path / "m.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(CannotConvert, match="document type"):
        read(tmp_path / "m.xml")


PICTURES = Metadata(inputs=(Tensor("x", "FP32", (-1, 28, 28, 1)),), outputs=(Tensor("y", "FP32", (-1, 3)),), rows=True)


class _Network:
    """Sums of pixels, and their softmax, each a little beside the true one: ``off`` times the sum."""

    def __init__(self, off: float) -> None:
        self._weights = np.random.default_rng(2).normal(size=(784, 3)) / 100 * (1 + off)

    def load(self, path: Path, config: dict[str, Any]) -> None:
        raise AssertionError("it is there from the start")

    def metadata(self) -> Metadata:
        return PICTURES

    def predict(self, inputs: Any) -> Any:
        sums = inputs["x"].reshape(len(inputs["x"]), -1) @ self._weights
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return {"y": (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)}


def test_pictures_are_drawn_as_networks_are_trained_on_them_and_brighter_ones_are_judged_by_what_matters() -> None:
    batches = {batch.kind: batch for batch in draw(PICTURES, {}, tabular=False)}
    assert batches["ordinary"].inputs["x"].max() <= 1.0
    assert not batches["ordinary"].loose
    bright = batches["pictures of 0 to 255"]
    assert bright.loose
    assert 200 < bright.inputs["x"].max() <= 255.0
    assert compare(_Network(0.0), _Network(2e-5), draw(PICTURES, {}, tabular=False)).holds
    assert "ordinary" in compare(_Network(0.0), _Network(0.05), draw(PICTURES, {}, tabular=False)).problem
    assert "255" in compare(_Network(0.0), _Network(0.05), [bright]).problem


def test_a_reason_is_one_short_line() -> None:
    assert brief(ValueError("no.\n  Because\tof this")) == "ValueError: no"
    assert len(brief("word " * 100)) <= 120
