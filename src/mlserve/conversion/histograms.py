"""scikit-learn's boosting over histograms (HistGradientBoosting…), compared in double precision as it is there."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.trees import Forest

_SUPPORTED = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_LINKS = {"IdentityLink": None, "LogLink": "Exp"}


def is_boosting(estimator: Any) -> bool:
    """One that is written here."""
    return type(estimator).__name__ in _SUPPORTED and type(estimator).__module__.startswith("sklearn.")


def append(graph: Graph, estimator: Any, table: str) -> None:
    """Add the trees behind ``table`` (double precision) with their outputs: label and probabilities, or prediction."""
    if getattr(estimator, "is_categorical_", None) is not None and np.any(estimator.is_categorical_):
        raise CannotConvert(f"a {type(estimator).__name__} with categories is not written as ONNX yet")
    begin = np.asarray(estimator._baseline_prediction, np.float64).ravel()
    forest = Forest(len(begin), double=True)
    for iteration in estimator._predictors:
        for target, tree in enumerate(iteration):
            _add(forest, tree.nodes, target)
    total = graph.fresh("total")
    graph.put(forest.operator(table, total))
    raw = graph.add("Add", total, graph.constant(begin.astype(np.float32)[None]))
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        graph.output(_linked(graph, estimator, raw), "prediction", np.float32, [None, 1])
        return
    if len(begin) == 1:
        best = graph.add("Cast", graph.add("Greater", raw, graph.constant(np.float32(0))), to=7)
        best = graph.add("Squeeze", best, graph.constant([1], np.int64))
        likely = graph.add("Sigmoid", raw)
        score = graph.add("Concat", graph.add("Sub", graph.constant(np.float32(1)), likely), likely, axis=1)
    else:
        best, score = graph.add("ArgMax", raw, axis=1, keepdims=0), graph.add("Softmax", raw, axis=1)
    words = classes.astype(str) if classes.dtype.kind in "OU" else classes
    graph.output(graph.add("Gather", graph.constant(words), best), "label", words.dtype, [None])
    graph.output(score, "probabilities", np.float32, [None, len(classes)])


def _linked(graph: Graph, estimator: Any, raw: str) -> str:
    link = type(estimator._loss.link).__name__
    if link not in _LINKS:
        raise CannotConvert(f"a {type(estimator).__name__} with a {link} is not written as ONNX yet")
    operator = _LINKS[link]
    return str(graph.add(operator, raw)) if operator else raw


def _add(forest: Forest, nodes: Any, target: int) -> None:
    number = forest.begin()
    for at, node in enumerate(nodes):
        if node["is_leaf"]:
            weights = [0.0] * forest.targets
            weights[target] = float(node["value"])
            forest.leaf(number, at, weights)
            continue
        ways = (int(node["left"]), int(node["right"]))
        missing = bool(node["missing_go_to_left"])
        forest.branch(number, at, int(node["feature_idx"]), "LEQ", float(node["num_threshold"]), ways, missing)
