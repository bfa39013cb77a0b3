"""Scorecard: each characteristic gives the points of its first attribute that is true."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.pmml.columns import Columns
from mlserve.conversion.pmml.document import found
from mlserve.conversion.pmml.predicates import Splitter
from mlserve.conversion.pmml.results import Result
from mlserve.conversion.pmml.trees import predicate_of, total_of
from mlserve.conversion.trees import Forest


def scorecard(columns: Columns, model: ET.Element) -> Result:
    """The sum of the points; no answer where none of the attributes of a characteristic is true."""
    graph, forest = columns.graph, Forest(2, double=True)
    splitter = Splitter(forest, columns)
    for characteristic in found(model, "Characteristics").findall("Characteristic"):
        splitter.begin()
        _first_true(splitter, characteristic.findall("Attribute"), 0)
    totals = total_of(columns, splitter)
    sums = [graph.add("Slice", totals, *(graph.constant([one], np.int64) for one in (at, at + 1, 1))) for at in (0, 1)]
    points = graph.add("Add", sums[0], graph.constant(float(model.get("initialScore", "0")), np.float64))
    without = graph.add("Greater", sums[1], graph.constant(0.0, np.float64))
    return Result(value=graph.add("Where", without, graph.constant(np.nan, np.float64), points))


def _first_true(splitter: Splitter, attributes: list[ET.Element], at: int) -> None:
    if not attributes:
        splitter.forest.leaf(splitter.tree, at, [0.0, 1.0])
        return
    points = attributes[0].get("partialScore")
    if points is None:
        raise CannotConvert("an attribute computes its points")

    def otherwise(here: int) -> None:
        _first_true(splitter, attributes[1:], here)

    def scored(here: int) -> None:
        splitter.forest.leaf(splitter.tree, here, [float(points), 0.0])

    splitter.split(predicate_of(attributes[0]), at, scored, otherwise, otherwise)
