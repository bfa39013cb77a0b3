"""RegressionModel: tables of coefficients, and what turns their sums into answers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import reduce

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import Columns
from mlserve.conversion.pmml.expressions import indicator
from mlserve.conversion.pmml.results import Result


def regression(columns: Columns, model: ET.Element) -> Result:
    """The answer of a RegressionModel."""
    graph, tables = columns.graph, model.findall("RegressionTable")
    method = model.get("normalizationMethod", "none")
    sums = [_sum(columns, table) for table in tables]
    if model.get("functionName") != "classification":
        return Result(value=_inverse(graph, method, sums[0]))
    words = tuple(table.get("targetCategory", "") for table in tables)
    return Result(words=words, probabilities=_probabilities(graph, method, sums))


def _sum(columns: Columns, table: ET.Element) -> str:
    """Intercept and terms; the plain numeric ones are one product of matrices."""
    graph, plain, terms = columns.graph, [], []
    for term in table:
        if term.tag == "Extension":
            continue
        factor = float(term.get("coefficient", "0"))
        if term.tag == "NumericPredictor" and float(term.get("exponent", "1")) == 1:
            plain.append((columns.get(term.get("name", "")).source, factor))
            continue
        terms.append(graph.add("Mul", _term(columns, term), graph.constant(factor, np.float64)))
    if plain:
        sources = [source for source, _ in plain]
        matrix = graph.add("Concat", *sources, axis=1) if len(sources) > 1 else sources[0]
        terms.append(graph.add("MatMul", matrix, graph.constant([[factor] for _, factor in plain], np.float64)))
    intercept = graph.constant([[float(table.get("intercept", "0"))]], np.float64)
    if not terms:  # as many rows as there are
        any_column = next(iter(columns.known.values())).source
        terms = [
            graph.add("Mul", graph.cast(graph.add("IsNaN", any_column), np.float64), graph.constant(0.0, np.float64))
        ]
    return str(reduce(lambda left, right: graph.add("Add", left, right), terms, intercept))


def _term(columns: Columns, term: ET.Element) -> str:
    graph = columns.graph
    if term.tag == "NumericPredictor":
        power = graph.constant(float(term.get("exponent", "1")), np.float64)
        return str(graph.add("Pow", columns.get(term.get("name", "")).source, power))
    if term.tag == "CategoricalPredictor":
        return graph.cast(indicator(columns, columns.get(term.get("name", "")), term.get("value", "")), np.float64)
    if term.tag == "PredictorTerm":
        sources = [columns.get(one.get("field", "")).source for one in term.findall("FieldRef")]
        return str(reduce(lambda left, right: graph.add("Mul", left, right), sources))
    raise CannotConvert(f"the term {term.tag} is not written as ONNX yet")


def _inverse(graph: Graph, method: str, source: str) -> str:
    if method == "none":
        return source
    if method in ("softmax", "logit"):
        return str(graph.add("Sigmoid", source))
    if method == "exp":
        return str(graph.add("Exp", source))
    if method == "cloglog":
        grown = graph.add("Exp", graph.add("Neg", graph.add("Exp", source)))
        return str(graph.add("Sub", graph.constant(1.0, np.float64), grown))
    if method == "loglog":
        return str(graph.add("Exp", graph.add("Neg", graph.add("Exp", graph.add("Neg", source)))))
    raise CannotConvert(f"the normalization {method} is not written as ONNX yet")


def _probabilities(graph: Graph, method: str, sums: list[str]) -> str:
    if method == "softmax":
        return str(graph.add("Softmax", graph.add("Concat", *sums, axis=1), axis=1))
    if method == "simplemax":
        together = graph.add("Concat", *sums, axis=1)
        total = graph.add("ReduceSum", together, graph.constant([1], np.int64), keepdims=1)
        return str(graph.add("Div", together, total))
    if len(sums) != 2 and method != "none":
        raise CannotConvert(f"{len(sums)} classes by {method} are not written as ONNX yet")
    first = [_inverse(graph, method, one) for one in sums[:-1]]
    taken = reduce(lambda left, right: graph.add("Add", left, right), first)
    rest = graph.add("Sub", graph.constant(1.0, np.float64), taken)
    return str(graph.add("Concat", *first, rest, axis=1))
