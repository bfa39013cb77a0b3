"""NaiveBayesModel: counts and bell curves of each class, multiplied as if they were independent."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from functools import reduce

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.pmml.columns import Column, Columns
from mlserve.conversion.pmml.document import found
from mlserve.conversion.pmml.results import Result


def naive_bayes(columns: Columns, model: ET.Element) -> Result:
    """The probability of each class; what is missing says nothing."""
    graph, threshold = columns.graph, float(model.get("threshold", "0"))
    prior = _counts(found(found(model, "BayesOutput"), "TargetValueCounts"))
    words = tuple(prior)
    parts = [graph.constant([[math.log(max(prior[word], 1e-300)) for word in words]], np.float64)]
    for told in found(model, "BayesInputs").findall("BayesInput"):
        column = columns.get(told.get("fieldName", ""))
        curves = told.find("TargetValueStats")
        if told.find("DerivedField") is not None:
            raise CannotConvert("an input of the model is divided into bins")
        if curves is not None:
            parts.append(_curves(columns, column, curves, words, threshold))
        else:
            parts.append(_table(columns, column, told, words, threshold))
    total = reduce(lambda left, right: graph.add("Add", left, right), parts)
    return Result(words=words, probabilities=graph.add("Softmax", total, axis=1))


def _curves(columns: Columns, column: Column, told: ET.Element, words: tuple[str, ...], threshold: float) -> str:
    graph = columns.graph
    stats = {one.get("value", ""): found(one, "GaussianDistribution") for one in told.findall("TargetValueStat")}
    if set(stats) != set(words):
        raise CannotConvert("a class has no bell curve of its own")
    means = [float(stats[word].get("mean", "0")) for word in words]
    variances = [float(stats[word].get("variance", "1")) for word in words]
    away = graph.add("Sub", column.source, graph.constant([means], np.float64))
    bend = graph.constant([[-0.5 / variance for variance in variances]], np.float64)
    peak = graph.constant([[-0.5 * math.log(2 * math.pi * variance) for variance in variances]], np.float64)
    height = graph.add("Add", graph.add("Mul", graph.add("Mul", away, away), bend), peak)
    if threshold > 0:
        height = graph.add("Max", height, graph.constant(math.log(threshold), np.float64))
    nothing = graph.constant(0.0, np.float64)
    return str(graph.add("Where", graph.add("IsNaN", column.source), nothing, height))


def _table(columns: Columns, column: Column, told: ET.Element, words: tuple[str, ...], threshold: float) -> str:
    """One row of logarithms for each value."""
    graph = columns.graph
    pairs = {one.get("value", ""): _counts(found(one, "TargetValueCounts")) for one in told.findall("PairCounts")}
    totals = {word: sum(counts.get(word, 0.0) for counts in pairs.values()) for word in words}
    result = graph.constant([[0.0] * len(words)], np.float64)
    for value, counts in pairs.items():
        shares = [counts.get(word, 0.0) / totals[word] if totals[word] else 0.0 for word in words]
        row = graph.constant([[math.log(share or threshold or 1e-300) for share in shares]], np.float64)
        same = graph.add("Equal", column.source, graph.constant(column.number(value), np.float64))
        result = graph.add("Where", same, row, result)
    return result


def _counts(told: ET.Element) -> dict[str, float]:
    return {one.get("value", ""): float(one.get("count", "0")) for one in told.findall("TargetValueCount")}
