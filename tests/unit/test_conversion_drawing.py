"""What a converted model is asked before it is trusted: rows it has seen, ties, numbers without digits left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.columns import column_hints
from mlserve.conversion.drawing import draw
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
